-- As an append does: nobody else writes until this transaction ends.
select pg_advisory_xact_lock(7305809, 1)
