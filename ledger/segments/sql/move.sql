-- Of categories that move whole, and of renders that ended, but for the fact that the audit looks up when it tells whose
-- a later fact is. A payload no longer than what would stand for it stays.
update ledger.events e set payload = ledger.moved_payload(e.payload)
where e.position between %(first)s and %(last)s and octet_length(e.payload) > 33
  and (split_part(e.stream, ':', 1) = any(%(categories)s)
       or (split_part(e.stream, ':', 1) = 'render' and e.type <> 'render.intent'
           and e.stream in (select x.stream from ledger.events x where x.type = any(%(ends)s))))
