select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation, trace, payload
from ledger.events
where position <= %(until)s and (%(categories)s::text[] is null or split_part(stream, ':', 1) = any(%(categories)s))
order by stream, version
