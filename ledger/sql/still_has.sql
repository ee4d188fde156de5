select pg_is_in_recovery() or exists (select from ledger.events where position = %s and event_id = %s),
       (select max(position) from ledger.events)
