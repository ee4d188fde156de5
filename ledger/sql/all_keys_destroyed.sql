select name from ledger.keys where destroyed_at is not null
