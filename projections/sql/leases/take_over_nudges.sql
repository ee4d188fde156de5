-- A webhook makes the follow of its job due at once; one whose job nobody has claimed yet is found when that happens.
with heard as (
    select job_stream, max(position) as position
    from projection_work.nudges
    where position > (select nudges from work.taken_over)
    group by job_stream
)
update work.agenda a
set nudge = h.position, due_at = case when a.lease_owner is null then least(a.due_at, %(now)s) else a.due_at end
from heard h join projection_work.items i on i.job_stream = h.job_stream and i.step = 'follow'
where a.stream = i.stream and a.step = 'follow' and a.nudge < h.position
