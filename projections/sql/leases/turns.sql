-- Whose turn it is to be submitted, at each renderer that has free places. Every look-up is by index: what it takes grows
-- with the projects that wait and the places that are free, not with the renders that wait.
with recursive rooms as (
    select * from jsonb_to_recordset(%(rooms)s) as r (
        renderer text, in_flight_max integer, submissions_per_minute_max integer, submissions_max integer
    )
),
weights as (
    select key as place, value::double precision as weight from jsonb_each_text(%(weights)s)
),
awaited as (
    (select renderer from projection_work.items where step = 'submit' order by renderer limit 1)
    union all
    select next.renderer
    from awaited w
    cross join lateral (
        select i.renderer from projection_work.items i
        where i.step = 'submit' and i.renderer > w.renderer
        order by i.renderer limit 1
    ) next
),
open as (
    select w.renderer, coalesce(c.clock, 0) as clock,
           least(%(limit)s, r.submissions_max, case when r.in_flight_max is not null then r.in_flight_max - (
               select count(*) from (
                   select from projection_work.items i
                   where i.renderer = w.renderer
                     and (i.step = 'follow' or (i.step = 'reconcile' and i.job_stream is null))  -- not those of lost jobs
                   limit r.in_flight_max
               ) jobs
           ) - (
               -- Begun, and not seen by the read model yet.
               select count(*)
               from work.agenda a join projection_work.items i on i.stream = a.stream and i.step = 'submit'
               where a.claimed_version is not null and a.claimed_version >= i.version and i.renderer = w.renderer
                 and (a.lease_owner is null or a.due_at > %(now)s)
           ) end, case when r.submissions_per_minute_max is not null then r.submissions_per_minute_max - (
               select count(*) from work.begun b where b.renderer = w.renderer
           ) end) as places
    from awaited w
    left join rooms r on r.renderer = w.renderer
    left join work.renderers c on c.renderer = w.renderer
    where not w.renderer = any(%(full)s::text[])
),
waiting as (
    select o.renderer, o.clock, o.places, first.tenant, first.project
    from open o
    cross join lateral (
        select i.tenant, i.project from projection_work.items i
        where i.step = 'submit' and i.renderer = o.renderer
        order by i.tenant, i.project limit 1
    ) first
    where o.places > 0
    union all
    select w.renderer, w.clock, w.places, next.tenant, next.project
    from waiting w
    cross join lateral (
        select i.tenant, i.project from projection_work.items i
        where i.step = 'submit' and i.renderer = w.renderer and (i.tenant, i.project) > (w.tenant, w.project)
        order by i.tenant, i.project limit 1
    ) next
),
heads as (
    select w.renderer, w.tenant, w.project, w.places, i.stream, i.created_at, i.due_at, coalesce(g.weight, 1) as weight,
           greatest(w.clock, t.clock) + (i.number - 1) / coalesce(g.weight, 1) as turn
    from waiting w
    left join work.turns t on t.renderer = w.renderer and t.tenant = w.tenant and t.project = w.project
    left join weights g on g.place = w.tenant || '/' || w.project
    cross join lateral (
        select h.*, row_number() over (order by h.rank, h.created_at, h.stream) as number
        from (
            select i.stream, i.rank, i.created_at, a.due_at
            from projection_work.items i join work.agenda a on a.stream = i.stream and a.step = 'submit'
            where i.step = 'submit' and i.renderer = w.renderer and i.tenant = w.tenant and i.project = w.project
              and a.due_at <= %(now)s
              and (a.lease_owner is not null or a.claimed_version is null or a.claimed_version < i.version)
            order by i.rank, i.created_at, i.stream
            limit w.places
        ) h
    ) i
),
placed as (
    select h.*, row_number() over (partition by renderer order by turn, created_at, stream) as place from heads h
)
select renderer, tenant, project, stream, turn, turn + 1 / weight as clock,
       min(due_at) over (partition by renderer) as since
from placed
where place <= places
order by renderer, place
