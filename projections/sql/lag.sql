select p.name, p.version, p.position, h.head, greatest(h.head - p.position, 0) as lag_events,
       coalesce(greatest(extract(epoch from clock_timestamp() - e.recorded_at), 0), 0)::float8 as lag_s,
       (select count(*) from projections.parked k where k.name = p.name) as parked
from projections.positions p
cross join (select coalesce(max(position), 0) as head from ledger.events) h
left join ledger.events e on e.position = p.position + 1
order by p.name
