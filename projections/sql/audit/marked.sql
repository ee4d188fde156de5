projection_audit.marks m
join projection_audit.events a
  on a.position = m.position
     and projection_audit.begins(m.tenant, m.value) | m.position
             between projection_audit.begins(%(tenant)s, %(mark)s) | %(first)s
                 and projection_audit.begins(%(tenant)s, %(mark)s) | %(last)s
