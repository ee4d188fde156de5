select pg_advisory_unlock(7305809, 3)
