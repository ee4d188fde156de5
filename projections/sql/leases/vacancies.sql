-- What whoever claims sees of the renderers, for whoever asks why something waits.
insert into work.renderers as r (renderer, in_flight_max, closed)
select n.renderer, n.in_flight_max, n.closed
from (
    select s.renderer, s.in_flight_max, coalesce(s.closed, case when s.submissions_per_minute_max <= (
        select count(*) from work.begun b where b.renderer = s.renderer
    ) then %(rate_limited)s end) as closed
    from jsonb_to_recordset(%(rooms)s) as s (
        renderer text, in_flight_max integer, submissions_per_minute_max integer, closed text
    )
) n
where not exists (
    select from work.renderers k
    where k.renderer = n.renderer and k.in_flight_max is not distinct from n.in_flight_max
      and k.closed is not distinct from n.closed
)
on conflict (renderer) do update set in_flight_max = excluded.in_flight_max, closed = excluded.closed
