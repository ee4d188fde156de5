-- Nobody folds what an event goes with, and two uuids and a text take as long to read as all the rest.
select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor,
       null::uuid as correlation, null::uuid as causation, null::text as trace, payload
from ledger.events
where position <= %(until)s and (%(categories)s::text[] is null or split_part(stream, ':', 1) = any(%(categories)s))
order by stream, version
