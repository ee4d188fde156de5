-- On disk before they are used: who sealed with them may append to the server that comes after this one.
insert into ledger.keys (name, wrapped) select * from unnest(%s::text[], %s::bytea[]) on conflict (name) do nothing
returning name, wrapped
