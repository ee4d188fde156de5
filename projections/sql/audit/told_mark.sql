and a.mark_tenant = %(tenant)s and a.kind = %(mark_kind)s and a.value = %(mark)s
