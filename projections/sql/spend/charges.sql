select s.position, s.kind, s.video_id, s.occurred_at, coalesce(r.day, s.day) as day, coalesce(r.project, s.project) as project,
       coalesce(r.key_id, s.key_id) as key_id, coalesce(r.requester, s.requester) as requester,
       coalesce(r.model, s.model) as model, coalesce(r.renderer, s.renderer) as renderer,
       coalesce(r.purpose, s.purpose) as purpose, coalesce(r.tags, s.tags) as tags, s.currency, s.amount_micro,
       coalesce(r.seconds, 0) as seconds
from projection_spend.movements s
left join lateral (
    select * from projection_spend.movements r
    where s.kind = 'settled' and r.tenant = s.tenant and r.video_id = s.video_id and r.kind = 'reserved'
    order by position
    limit 1
) r on true
where s.tenant = %(tenant)s and s.kind in ('settled', 'adjusted') and s.position > %(after)s
  and coalesce(r.day, s.day) between %(first)s and %(last)s
  and (%(project)s::text is null or coalesce(r.project, s.project) = %(project)s)
order by s.position
limit %(limit)s
