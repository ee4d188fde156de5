select pg_try_advisory_lock(7305809, 3)
