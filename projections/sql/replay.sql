-- The streams of a category, by the index that has them in their order. Nobody folds what an event goes with, its id, or
-- when the later ones were recorded: two moments and three uuids take as long to read as all the rest.
select position, stream, version, type, case when version = 1 then recorded_at end as recorded_at, occurred_at, tenant,
       actor, payload
from ledger.events
where position <= %(until)s and (%(category)s::text is null or starts_with(stream, %(category)s || ':'))
  and (%(after)s::text is null or stream > %(after)s) and (%(last)s::text is null or stream <= %(last)s)
order by stream, version
