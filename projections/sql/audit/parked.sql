-- A tenant's facts that the table lacks, because it could not read their stream: as far as it has come, and counted to a
-- limit in each stream, the newest first, because a stream may have no end.
select count(*)
from (
    select 1
    from projections.parked k
    join projections.positions p on p.name = k.name
    cross join lateral (
        select e.position, e.tenant
        from ledger.events e
        where e.stream = k.stream and e.position <= p.position
        order by e.version desc
        limit %(most)s
    ) e
    where k.name = %(name)s and e.position >= k.position and e.tenant = %(tenant)s
    limit %(most)s
) counted
