select index, hashes from ledger.tiles
where level = %(level)s and index >= %(first)s and index < %(first)s + %(count)s
