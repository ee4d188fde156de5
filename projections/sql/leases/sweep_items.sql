-- Items that were overlooked: made under a lower position than those taken over, as when a parked stream is read again.
insert into work.agenda (stream, step, callee, due_at)
select i.stream, i.step, work.callee(i.step, i.renderer, i.tenant, i.project), coalesce(i.due_at, i.created_at)
from projection_work.items i
where not exists (select from work.agenda a where a.stream = i.stream and a.step = i.step)
on conflict do nothing
