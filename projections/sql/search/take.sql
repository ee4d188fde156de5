-- As with read models, words and position need not be on disk at once: lost together, they are taken in again.
with unhurried as (select set_config('synchronous_commit', 'off', true))
select p.position from search.progress p, unhurried for update of p
