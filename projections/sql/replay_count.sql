select count(*) from ledger.events
where position <= %(until)s and (%(categories)s::text[] is null or split_part(stream, ':', 1) = any(%(categories)s))
