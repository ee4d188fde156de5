-- A webhook makes the follow of its job due at once, or when a while has passed since another one did: a hundred of them
-- ask for no more than one. One whose job nobody has claimed yet is found when that happens.
with heard as (
    select job_stream, max(position) as position
    from projection_work.nudges
    where position > (select nudges from work.taken_over)
    group by job_stream
),
told as (
    select a.stream, h.position,
           case when a.webhook_due_at > %(now)s then a.webhook_due_at
                else greatest(%(now)s, a.webhook_due_at + %(pause)s) end as due_at
    from heard h
    join projection_work.items i on i.job_stream = h.job_stream and i.step = 'follow'
    join work.agenda a on a.stream = i.stream and a.step = 'follow' and a.nudge < h.position
)
update work.agenda a
set nudge = t.position, webhook_due_at = t.due_at,
    due_at = case when a.lease_owner is null then least(a.due_at, t.due_at) else a.due_at end
from told t
where a.stream = t.stream and a.step = 'follow'
