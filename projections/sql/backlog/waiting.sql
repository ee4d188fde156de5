-- Steps that are to be done, and how long the first of them that nobody is at has been due. Due is as in leases/claim.sql.
select i.step, i.renderer, count(*) as items,
       coalesce(max(extract(epoch from %(now)s - coalesce(greatest(i.due_at, l.due_at), i.created_at)))
           filter (where l.lease_until is null or l.lease_until <= %(now)s), 0)::float8 as overdue_s
from projection_work.items i
left join work.leases l on l.stream = i.stream and l.step = i.step
group by i.step, i.renderer
order by i.step, i.renderer
