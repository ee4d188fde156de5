-- One statement: a requester's key goes with every key below it, or nothing does.
with below as (
    update ledger.keys set wrapped = null, destroyed_at = clock_timestamp()
    where strpos(%(name)s, '/') = 0 and starts_with(name, %(name)s || '/') and wrapped is not null
)
insert into ledger.keys (name, wrapped, destroyed_at) values (%(name)s, null, clock_timestamp())
on conflict (name) do update set wrapped = null, destroyed_at = coalesce(keys.destroyed_at, excluded.destroyed_at)
