-- How workers claimed before the fair queue: sql/leases/claim.sql of that version, as it was.
-- An item is due when both its own time and its lease's time have come, or at once when a webhook for its job is unseen.
with due as (
    select i.*, coalesce(greatest(i.due_at, l.due_at), i.created_at) as due
    from projection_work.items i
    left join work.leases l on l.stream = i.stream and l.step = i.step
    where (%(steps)s::text[] is null or i.step = any(%(steps)s))
      and (l.lease_until is null or l.lease_until <= %(now)s)
      and (coalesce(greatest(i.due_at, l.due_at), '-infinity') <= %(now)s
           or (i.step = 'follow' and exists (
               select from projection_work.nudges n
               where n.job_stream = i.job_stream and n.position > coalesce(l.nudge_seen, 0))))
    order by due, i.stream
    limit %(limit)s
),
claimed as (
    insert into work.leases as l (stream, step, lease_owner, lease_until, attempt, nudge_seen)
    select d.stream, d.step, %(owner)s, %(lease_until)s, 1,
           coalesce((select max(n.position) from projection_work.nudges n where n.job_stream = d.job_stream), 0)
    from due d
    order by d.due, d.stream
    on conflict (stream, step) do update
    set lease_owner = excluded.lease_owner, lease_until = excluded.lease_until, attempt = l.attempt + 1,
        nudge_seen = greatest(l.nudge_seen, excluded.nudge_seen)
    where l.lease_until is null or l.lease_until <= %(now)s
    returning l.stream, l.step, l.attempt, l.lease_owner
)
select d.stream, d.tenant, d.project, d.video_id, d.step, d.renderer, d.job_stream, d.created_at, d.version, c.attempt,
       c.lease_owner as owner
from due d join claimed c using (stream, step)
order by d.due, d.stream
