select name, wrapped from ledger.keys where name = any(%s) and wrapped is not null
