-- One id after the other, by the index: `offset 0` keeps the planner from reading all facts, since of a range that begins
-- at a value it does not know it expects many.
select c.renderer, c.job_id, c.video_id
from (
    select f.*
    from unnest(%(job_ids)s::text[]) j (id)
    cross join lateral (
        select a.*
        from projection_audit.events a
        where projection_audit.begins(a.tenant, a.job_id) | a.position
                  between projection_audit.begins(%(tenant)s, j.id) and projection_audit.ends(%(tenant)s, j.id)
          and a.job_id = j.id
        offset 0
    ) f
    union
    select f.*
    from unnest(%(video_ids)s::text[]) v (id)
    cross join lateral (
        select a.*
        from projection_audit.events a
        where projection_audit.begins(a.tenant, a.video_id) | a.position
                  between projection_audit.begins(%(tenant)s, v.id) and projection_audit.ends(%(tenant)s, v.id)
          and a.video_id = v.id
          and not starts_with(a.stream, 'render:')
        offset 0
    ) f
) c
where c.tenant = %(tenant)s and c.type = 'job.claimed'
order by c.position
