insert into ledger.keys (name, wrapped) values (%s, %s) on conflict (name) do nothing
returning wrapped
