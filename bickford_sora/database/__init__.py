"""The embedded PostgreSQL server, the connection pool and the migration runner."""
