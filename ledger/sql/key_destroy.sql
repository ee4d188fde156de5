insert into ledger.keys (name, wrapped, destroyed_at) values (%s, null, clock_timestamp())
on conflict (name) do update set wrapped = null, destroyed_at = coalesce(keys.destroyed_at, excluded.destroyed_at)
