-- Of a stretch of the ledger, the events of some types, and its last one: it says how far the stretch goes.
select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation, trace, payload
from ledger.events
where position > %(after)s and position <= %(until)s
  and (type = any(%(types)s)
       or position = (select max(position) from ledger.events where position > %(after)s and position <= %(until)s))
order by position
