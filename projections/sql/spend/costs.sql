with asked as (
    select distinct on (video_id) video_id, day, project, key_id, requester, model, renderer, purpose, tags, currency
    from projection_spend.movements
    where tenant = %(tenant)s and kind = 'reserved'
      and (video_id = any(%(video_ids)s) or day between %(first)s and %(last)s)
      and (%(project)s::text is null or project = %(project)s)
      and (%(renderer)s::text is null or renderer = %(renderer)s)
    order by video_id, position
)
select a.video_id, a.day, a.project, a.key_id, a.requester, a.model, a.renderer, a.purpose, a.tags,
       coalesce(a.currency, max(m.currency) filter (where m.kind = 'adjusted')) as currency,
       case when bool_or(m.kind = 'settled') then 'settled' when bool_or(m.kind = 'released') then 'released'
            else 'open' end as state,
       coalesce(sum(m.amount_micro) filter (where m.kind = 'settled'), 0)::bigint as settled_micro,
       coalesce(sum(m.amount_micro) filter (where m.kind = 'adjusted'), 0)::bigint as adjusted_micro,
       array_agg(m.position order by m.position) as positions
from asked a join projection_spend.movements m on m.tenant = %(tenant)s and m.video_id = a.video_id
group by a.video_id, a.day, a.project, a.key_id, a.requester, a.model, a.renderer, a.purpose, a.tags, a.currency
order by a.video_id
limit %(limit)s
