select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation, trace, payload
from ledger.events
where position > %(after)s and position <= %(until)s
order by position
limit %(limit)s
