select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation, trace, payload
from ledger.events
where (stream, version) > (%(stream)s, %(version)s) and (stream, version) < (%(last_stream)s, %(last_version)s)
  and position <= %(until)s and starts_with(stream, %(prefix)s)
order by stream desc, version desc
limit %(limit)s
