select pg_try_advisory_xact_lock(7305809, 2)
