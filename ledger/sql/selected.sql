-- What an export holds, in the ledger's order; a bound that is null bounds nothing. Receipts of webhooks are among a
-- tenant's whosever they are: that is read from each (`ledger/exchange/tenancy.py`).
select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation, trace, payload
from ledger.events
where position between %(first)s and %(last)s
  and (%(positions)s::bigint[] is null or position = any(%(positions)s))
  and (%(tenant)s::text is null or tenant = %(tenant)s or type = %(receipt)s)
  and (%(types)s::text[] is null or type = any(%(types)s))
  and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
  and (%(before)s::timestamptz is null or recorded_at < %(before)s)
order by position
