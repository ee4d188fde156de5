select position, payload from ledger.events
where position between %(first)s and %(last)s and ledger.is_moved(payload)
order by position
