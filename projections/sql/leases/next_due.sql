-- When the first item is due; never before now.
select min(greatest(
    case when n.position > coalesce(l.nudge_seen, 0) then null else greatest(i.due_at, l.due_at) end,
    l.lease_until,
    %(now)s
))
from projection_work.items i
left join work.leases l on l.stream = i.stream and l.step = i.step
left join lateral (
    select max(n.position) as position from projection_work.nudges n where n.job_stream = i.job_stream
) n on i.step = 'follow'
where %(steps)s::text[] is null or i.step = any(%(steps)s)
