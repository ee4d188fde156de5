-- Events that are validated and of which Python makes no rows, in whatever order they lie.
select position, stream, version, type, payload
from ledger.events
where position > %(after)s and position <= %(until)s
  and (%(categories)s::text[] is null or split_part(stream, ':', 1) = any(%(categories)s))
  and split_part(stream, ':', 1) <> all(%(folded)s::text[])
