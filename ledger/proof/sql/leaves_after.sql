select position, stream, version, type, event_id::text, recorded_at, occurred_at, tenant,
       actor, correlation::text, causation::text, trace, encode(sha256(payload), 'hex')
from ledger.events
where position > %(after)s
order by position
limit %(limit)s
