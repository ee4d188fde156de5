-- Items made since the last look. A step that is no longer to do leaves; one that is done again keeps what is known of it.
with fresh as (
    select i.stream, i.step, work.callee(i.step, i.renderer, i.tenant, i.project) as callee,
           coalesce(i.due_at, i.created_at) as due_at, n.position as nudge
    from projection_work.items i
    left join lateral (
        select max(position) as position from projection_work.nudges n where n.job_stream = i.job_stream
    ) n on i.step = 'follow'
    where i.position > (select items from work.taken_over)
),
gone as (
    delete from work.agenda a using fresh f where a.stream = f.stream and a.step <> f.step and a.lease_owner is null
)
insert into work.agenda as a (stream, step, callee, due_at, nudge)
select stream, step, callee, case when nudge is null then due_at else least(due_at, %(now)s) end, coalesce(nudge, 0)
from fresh
on conflict (stream, step) do update
set due_at = greatest(a.due_at, excluded.due_at), callee = excluded.callee
where excluded.due_at > a.due_at or excluded.callee <> a.callee
