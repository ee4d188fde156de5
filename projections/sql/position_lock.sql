-- What is applied need not be on disk at once: rows and position are lost together, and applied again. Whatever is decided
-- on them is recorded later, and the log of writes goes to disk in its order.
with unhurried as (select set_config('synchronous_commit', 'off', true))
select p.version, p.position from projections.positions p, unhurried where p.name = %s for update of p
