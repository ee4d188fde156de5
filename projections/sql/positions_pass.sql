-- In an order that is everybody's: whoever moves several has them locked one after the other. Not at once on disk, as in
-- position_lock.sql.
with unhurried as (select set_config('synchronous_commit', 'off', true)),
standing as (
    select p.name from projections.positions p, unhurried
    where p.position = %(after)s
      and exists (select from unnest(%(names)s::text[], %(versions)s::int[]) as o (name, version)
                  where o.name = p.name and o.version = p.version)
    order by p.name
    for update of p
)
update projections.positions p set position = %(until)s, updated_at = clock_timestamp()
from standing s where s.name = p.name
