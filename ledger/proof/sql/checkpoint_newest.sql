select size, root, note, taken_at from ledger.checkpoints where size >= %s order by size desc limit 1
