and a.position in (
    select l.position from ledger.events l
    where l.stream = %(stream)s and l.position > %(after)s and l.position < %(before)s)
