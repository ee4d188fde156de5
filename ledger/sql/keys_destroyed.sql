select name from ledger.keys where name = any(%s) and destroyed_at is not null
