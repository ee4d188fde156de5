insert into ledger.tiles (level, index, hashes) values (%s, %s, %s)
