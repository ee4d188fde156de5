-- Payloads of a stretch that are in the files of closed segments: where they belong, and what stands for them. `offset 0`
-- keeps the planner from beginning with the events: it would look for moved ones in the whole ledger.
select e.position, e.payload
from ledger.segments s
cross join lateral (
    select position, payload
    from ledger.events
    where position between greatest(s.first, %(after)s + 1) and least(s.last, %(until)s) and ledger.is_moved(payload)
      and (%(categories)s::text[] is null or split_part(stream, ':', 1) = any(%(categories)s))
      and (%(only)s::text is null or stream = %(only)s)
    offset 0
) e
where s.first <= %(until)s and s.last > %(after)s
order by e.position
