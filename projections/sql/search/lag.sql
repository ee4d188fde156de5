-- As the lag of the read models. The index parks no stream, and takes turns with whoever follows.
select 'search' as name, p.version, p.position, h.head, greatest(h.head - p.position, 0) as lag_events,
       coalesce(greatest(extract(epoch from clock_timestamp() - e.recorded_at), 0), 0)::float8 as lag_s,
       0 as parked, 0 as skipped, 0 as gaps, false as rebuilding
from search.progress p
cross join (select coalesce(max(position), 0) as head from ledger.events) h
left join ledger.events e on e.position = p.position + 1
