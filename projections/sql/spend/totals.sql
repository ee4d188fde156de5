with reserved as (
    select distinct on (video_id) video_id, day, project, key_id, requester, model, renderer, purpose, tags, currency,
           renders, seconds
    from projection_spend.movements
    where tenant = %(tenant)s and kind = 'reserved' and day between %(first)s and %(last)s
      and (%(project)s::text is null or project = %(project)s)
    order by video_id, position
), moved as (
    select video_id,
           sum(amount_micro) filter (where kind = 'reserved') as reserved_micro,
           coalesce(sum(amount_micro) filter (where kind = 'settled'), 0) as settled_micro,
           bool_or(kind in ('settled', 'released')) as ended,
           bool_or(kind = 'released') as released
    from projection_spend.movements join reserved using (video_id)
    where movements.tenant = %(tenant)s and kind in ('reserved', 'settled', 'released')
    group by video_id
), counted as (
    select r.day, r.project, r.key_id, r.requester, r.model, r.renderer, r.purpose, r.tags, r.currency,
           case when m.released then 0 else r.renders end as renders,
           case when m.released then 0 else r.seconds end as seconds, m.reserved_micro, m.settled_micro,
           case when m.ended then m.reserved_micro - m.settled_micro else 0 end as released_micro,
           case when m.ended then 0 else m.reserved_micro end as open_micro,
           0 as adjusted_micro
    from reserved r join moved m using (video_id)
    union all
    select day, project, key_id, requester, model, renderer, purpose, tags, currency, 0, 0, 0, 0, 0, 0, amount_micro
    from projection_spend.movements
    where tenant = %(tenant)s and kind = 'adjusted' and day between %(first)s and %(last)s
      and (%(project)s::text is null or project = %(project)s)
), named as (
    select *, case %(by)s
                  when 'day' then day
                  when 'month' then left(day, 7)
                  when 'model' then model
                  when 'renderer' then renderer
                  when 'project' then project
                  when 'key' then key_id
                  when 'requester' then requester
                  when 'purpose' then purpose
              end as name
    from counted
    where %(by)s <> 'tag'
    union all
    select counted.*, tag.name
    from counted left join lateral unnest(tags) as tag(name) on true
    where %(by)s = 'tag'
)
select name, currency, sum(renders)::bigint as renders, sum(seconds)::bigint as seconds,
       sum(reserved_micro)::bigint as reserved_micro, sum(settled_micro)::bigint as settled_micro,
       sum(released_micro)::bigint as released_micro, sum(open_micro)::bigint as open_micro,
       sum(adjusted_micro)::bigint as adjusted_micro
from named
group by name, currency
order by name nulls last, currency nulls last
limit %(limit)s
