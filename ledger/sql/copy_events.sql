copy ledger.events (position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation, trace, payload)
from stdin (format binary)
