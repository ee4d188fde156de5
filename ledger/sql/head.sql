select max(position) from ledger.events
