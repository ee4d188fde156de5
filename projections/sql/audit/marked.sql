projection_audit.marks m
join projection_audit.events a
  on a.position = m.position and m.tenant = %(tenant)s and m.kind = %(mark_kind)s and m.value = %(mark)s
     and m.position > %(after)s and m.position < %(before)s
