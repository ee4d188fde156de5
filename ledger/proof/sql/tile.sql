select hashes from ledger.tiles where level = %s and index = %s
