select wrapped from ledger.keys where name = %s
