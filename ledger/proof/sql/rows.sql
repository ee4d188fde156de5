select position, stream, version, type, event_id::text, timestamptz_send(recorded_at), timestamptz_send(occurred_at),
       tenant, actor, correlation::text, causation::text, trace, payload
from ledger.events
order by position
