select c.renderer, c.job_id, c.video_id
from (
    select a.*
    from unnest(%(job_ids)s::text[]) j (id)
    join projection_audit.events a
      on projection_audit.hashed(a.tenant, a.job_id) | a.position
             between projection_audit.hashed(%(tenant)s, j.id) and projection_audit.hashed_last(%(tenant)s, j.id)
         and a.job_id = j.id
    union
    select a.*
    from unnest(%(video_ids)s::text[]) v (id)
    join projection_audit.events a
      on projection_audit.hashed(a.tenant, a.video_id) | a.position
             between projection_audit.hashed(%(tenant)s, v.id) and projection_audit.hashed_last(%(tenant)s, v.id)
         and a.video_id = v.id
         and not starts_with(a.stream, 'render:')
) c
where c.tenant = %(tenant)s and c.type = 'job.claimed'
order by c.position
