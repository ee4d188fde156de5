and m.tenant = %(tenant)s and m.kind = %(mark_kind)s and m.value = %(mark)s
