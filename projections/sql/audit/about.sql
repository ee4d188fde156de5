and a.position in (
    select l.position from ledger.events l where l.stream = 'render:' || %(tenant)s || ':' || substr(%(video_id)s, 7)
    union all
    select o.position from projection_audit.events o
    where projection_audit.begins(o.tenant, o.video_id) | o.position
              between projection_audit.begins(%(tenant)s, %(video_id)s) | %(first)s
                  and projection_audit.begins(%(tenant)s, %(video_id)s) | %(last)s
      and o.video_id is not null and not starts_with(o.stream, 'render:'))
