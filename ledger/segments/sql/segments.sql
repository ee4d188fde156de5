select first, last, file, sha256, bytes, checkpoint_size, closed_at from ledger.segments order by first
