-- On disk before it is used: who sealed with it may append to the server that comes after this one.
insert into ledger.keys (name, wrapped) values (%s, %s) on conflict (name) do nothing
returning wrapped
