-- Steps that are to be done, and how long the first of them that nobody is at has been due. While somebody is at one, it is
-- due when the lease ends. A submission waits for its turn and for a place, which is no delay of ours: it is overdue only
-- when somebody began it and did not end it. The outcome of a submission is unknown from its deadline on; a lost job has
-- no due time of its own. Both are looked for again and again, so that they are never overdue for long.
select i.step, i.renderer, count(*) as items,
       coalesce(max(extract(epoch from %(now)s - coalesce(a.due_at, i.due_at, i.created_at)))
           filter (where i.step <> 'submit' or a.lease_owner is not null), 0)::float8 as overdue_s,
       count(*) filter (where i.step = 'reconcile' and coalesce(i.due_at <= %(now)s, true)) as unknown
from projection_work.items i
left join work.agenda a on a.stream = i.stream and a.step = i.step
group by i.step, i.renderer
order by i.step, i.renderer
