select position, stream, version, type, event_id::text, recorded_at, occurred_at, tenant,
       actor, correlation::text, causation::text, trace, ledger.payload_sha256(payload)
from ledger.events
where position > %(after)s
order by position
limit %(limit)s
