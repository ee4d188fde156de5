insert into ledger.segments (first, last, file, sha256, bytes, checkpoint_size)
values (%(first)s, %(last)s, %(file)s, %(sha256)s, %(bytes)s, %(checkpoint_size)s)
returning first, last, file, sha256, bytes, checkpoint_size, closed_at
