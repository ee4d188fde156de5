select size, root, note, taken_at from ledger.checkpoints where size > %(after)s order by size limit %(limit)s
