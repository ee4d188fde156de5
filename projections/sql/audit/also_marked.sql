and not exists (
    select from unnest(%(mark_kinds)s::text[], %(marks)s::text[]) w (kind, value)
    where not exists (
        select from projection_audit.marks x
        where x.tenant = %(tenant)s and x.kind = w.kind and x.value = w.value and x.position = a.position))
