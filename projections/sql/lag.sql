-- A gap is an event at or below the position that the rows lack, because its stream is parked. A rebuild holds an advisory
-- lock (projections.rebuild); pg_locks shows its key in two halves.
select p.name, p.version, p.position, h.head, greatest(h.head - p.position, 0) as lag_events,
       coalesce(greatest(extract(epoch from clock_timestamp() - e.recorded_at), 0), 0)::float8 as lag_s,
       (select count(*) from projections.parked k where k.name = p.name and k.skipped_at is null) as parked,
       (select count(*) from projections.parked k where k.name = p.name and k.skipped_at is not null) as skipped,
       (select count(*)
        from projections.parked k
        join ledger.events missing
          on missing.stream = k.stream and missing.position >= k.position and missing.position <= p.position
        where k.name = p.name) as gaps,
       exists (
           select from pg_locks l
           where l.locktype = 'advisory' and l.granted
             and l.database = (select oid from pg_database where datname = current_database())
             and (l.classid::bigint << 32 | l.objid::bigint)
                 = hashtextextended('rebuild projection_' || p.name, 0)) as rebuilding
from projections.positions p
cross join (select coalesce(max(position), 0) as head from ledger.events) h
left join ledger.events e on e.position = p.position + 1
order by p.name
