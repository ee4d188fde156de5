-- Callees of rows that a worker of the version before wrote, or found in its table.
update work.agenda a
set callee = work.callee(i.step, i.renderer, i.tenant, i.project)
from projection_work.items i
where i.stream = a.stream and i.step = a.step
  and a.callee <> work.callee(i.step, i.renderer, i.tenant, i.project)
