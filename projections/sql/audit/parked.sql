-- A tenant's facts that the table lacks, because it could not read their stream. Few streams are parked, if any.
select count(*)
from projections.parked k
join projections.positions p on p.name = k.name
join ledger.events e on e.stream = k.stream and e.position >= k.position and e.position <= p.position
where k.name = %(name)s and e.tenant = %(tenant)s and e.position > %(after)s and e.position < %(before)s
