select name, wrapped from ledger.keys where wrapped is not null and position('/' in name) = 0 order by created_at, name limit 1
