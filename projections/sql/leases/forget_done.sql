delete from work.leases l
where (l.lease_until is null or l.lease_until <= %(now)s)
  and not exists (select from projection_work.items i where i.stream = l.stream and i.step = l.step)
