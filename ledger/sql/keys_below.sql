select name from ledger.keys where starts_with(name, %s) order by name collate "C"
