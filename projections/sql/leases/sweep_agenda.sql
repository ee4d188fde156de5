delete from work.agenda a
where (a.lease_owner is null or a.due_at <= %(now)s)
  and not exists (select from projection_work.items i where i.stream = a.stream and i.step = a.step)
