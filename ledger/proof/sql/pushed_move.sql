insert into ledger.pushes (target, size) values (%s, %s)
on conflict (target) do update set size = excluded.size, pushed_at = clock_timestamp()
