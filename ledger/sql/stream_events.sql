select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation, trace, payload
from ledger.events
where stream = %(stream)s and version > %(gt)s and version <= %(lte)s
order by version
limit %(limit)s
