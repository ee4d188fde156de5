insert into ledger.checkpoints (size, root, note, taken_at) values (%(size)s, %(root)s, %(note)s, %(taken_at)s)
on conflict (size) do nothing
