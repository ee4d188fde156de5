-- The streams of a category, by the index that has them in their order. Nobody folds what an event goes with, and two
-- uuids and a text take as long to read as all the rest.
select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor,
       null::uuid as correlation, null::uuid as causation, null::text as trace, payload
from ledger.events
where position <= %(until)s and (%(category)s::text is null or starts_with(stream, %(category)s || ':'))
  and (%(after)s::text is null or stream > %(after)s) and (%(last)s::text is null or stream <= %(last)s)
order by stream, version
