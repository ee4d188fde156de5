projection_audit.marks m
join projection_audit.events a
  on a.position = m.position and projection_audit.hashed(m.tenant, m.value) = projection_audit.hashed(%(tenant)s, %(mark)s)
     and m.position > %(after)s and m.position < %(before)s
