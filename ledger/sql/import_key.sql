-- What was destroyed stays so, whichever of the two sides knows of it.
insert into ledger.keys as held (name, wrapped, created_at, destroyed_at) values (%s, %s, %s, %s)
on conflict (name) do update set wrapped = null, destroyed_at = excluded.destroyed_at
    where excluded.wrapped is null and held.wrapped is not null
