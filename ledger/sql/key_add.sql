-- It need not be on disk at once: what is sealed with it is recorded later, and the log of writes goes to disk in its order.
with unhurried as (select set_config('synchronous_commit', 'off', true))
insert into ledger.keys (name, wrapped) select %s, %s from unhurried on conflict (name) do nothing
returning wrapped
