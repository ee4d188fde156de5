-- Payloads of a stretch that are in the files of closed segments: where they belong, and what stands for them.
select e.position, e.payload
from ledger.segments s
join ledger.events e on e.position between greatest(s.first, %(after)s + 1) and least(s.last, %(until)s)
where s.first <= %(until)s and s.last > %(after)s and ledger.is_moved(e.payload)
  and (%(categories)s::text[] is null or split_part(e.stream, ':', 1) = any(%(categories)s))
  and (%(only)s::text is null or e.stream = %(only)s)
order by e.position
