-- From an event to what led to it, and so on to the first: an effect is recorded behind its cause, so it ends.
with recursive led (position, causation, steps) as (
    select a.position, a.causation, 0
    from projection_audit.events a where a.event_id = %(event_id)s and a.tenant = %(tenant)s
    union all
    select c.position, c.causation, l.steps + 1
    from led l
    join projection_audit.events c on c.event_id = l.causation and c.tenant = %(tenant)s and c.position < l.position
    where l.steps < %(limit)s
)
select {columns}
from led l join projection_audit.events a on a.position = l.position
where l.steps > 0
order by l.steps
