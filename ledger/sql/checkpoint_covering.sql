select note from ledger.checkpoints where size >= %s order by size desc limit 1
