and not exists (
    select from unnest(%(mark_kinds)s::text[], %(marks)s::text[]) w (kind, value)
    where not exists (
        select from projection_audit.marks x
        where projection_audit.begins(x.tenant, x.value) | x.position
                  = projection_audit.begins(%(tenant)s, w.value) | a.position
          and x.position = a.position and x.tenant = %(tenant)s and x.kind = w.kind and x.value = w.value))
