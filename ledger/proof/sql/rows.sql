select position, stream, version, type, event_id::text, recorded_at, occurred_at, tenant,
       actor, correlation::text, causation::text, trace, payload
from ledger.events
order by position
