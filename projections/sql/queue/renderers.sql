select w.renderer, count(*) filter (where not w.waits) as in_flight, r.in_flight_max,
       count(*) filter (where w.waits) as waiting, count(distinct (w.tenant, w.project)) filter (where w.waits) as projects,
       r.closed
from (
    select i.renderer, i.tenant, i.project, i.step = 'submit' and coalesce(a.claimed_version < i.version, true) as waits
    from projection_work.items i
    left join work.agenda a on a.stream = i.stream and a.step = i.step and i.step = 'submit'
    where i.step in ('submit', 'follow') or (i.step = 'reconcile' and i.job_stream is null)
) w
left join work.renderers r on r.renderer = w.renderer
group by w.renderer, r.in_flight_max, r.closed
order by w.renderer
