-- What names this event as its cause, what names that, and so on: nearest first.
with recursive followed (position, event_id, steps) as (
    select a.position, a.event_id, 0
    from projection_audit.events a where a.event_id = %(event_id)s and a.tenant = %(tenant)s
    union all
    select e.position, e.event_id, f.steps + 1
    from followed f
    join projection_audit.events e on e.causation = f.event_id and e.tenant = %(tenant)s and e.position > f.position
    where f.steps < %(steps)s
)
select {columns}
from (select position, steps from followed where steps > 0 order by steps, position limit %(limit)s) f
join projection_audit.events a on a.position = f.position
order by f.steps, a.position
