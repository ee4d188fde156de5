select ledger_id from ledger.epochs order by epoch desc limit 1
