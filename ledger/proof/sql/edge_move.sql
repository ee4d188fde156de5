insert into ledger.tree_edge (ledger_id, size, partial) values (%(ledger_id)s, %(size)s, %(partial)s)
on conflict (one) do update set size = excluded.size, partial = excluded.partial
