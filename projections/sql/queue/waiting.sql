-- The order in which renders will be submitted if nothing else comes: sql/leases/turns.sql, carried on to the last one.
with waiting as (
    select i.renderer, i.tenant, i.project, i.video_id, i.created_at, a.due_at, c.clock, c.closed,
           coalesce((%(weights)s::jsonb ->> (i.tenant || '/' || i.project))::double precision, 1) as weight, t.clock as turns_clock,
           row_number() over (
               partition by i.renderer, i.tenant, i.project order by i.rank, i.created_at, i.stream
           ) as number
    from projection_work.items i
    left join work.agenda a on a.stream = i.stream and a.step = i.step
    left join work.renderers c on c.renderer = i.renderer
    left join work.turns t on t.renderer = i.renderer and t.tenant = i.tenant and t.project = i.project
    where i.step = 'submit' and coalesce(a.claimed_version < i.version, true)
),
placed as (
    select w.*, row_number() over (
        partition by renderer
        order by greatest(coalesce(clock, 0), turns_clock) + (number - 1) / weight, created_at, video_id
    ) as place
    from waiting w
)
select video_id, project, renderer, place, created_at, due_at as not_before
from placed
where tenant = %(tenant)s
  and (%(project)s::text is null or project = %(project)s)
  and (%(video_id)s::text is null or video_id = %(video_id)s)
order by renderer, place
limit %(limit)s
