-- What is due, longest due first: of each step the first few by index, and the submissions whose turn it is.
with due as (
    select a.stream, a.step, a.due_at
    from unnest(%(steps)s::text[]) as wanted (step)
    cross join lateral (
        select a.stream, a.step, a.due_at from work.agenda a
        where a.step = wanted.step and a.due_at <= %(now)s
        order by a.due_at
        limit %(looks)s
    ) a
),
gone as (
    delete from work.agenda a using due d
    where a.stream = d.stream and a.step = d.step
      and not exists (select from projection_work.items i where i.stream = d.stream and i.step = d.step)
),
turns as (
    select * from jsonb_to_recordset(%(turns)s) as t (
        renderer text, tenant text, project text, stream text, turn double precision, clock double precision,
        since timestamptz
    )
),
late as (
    select i.stream, i.created_at
    from projection_work.items i join work.agenda a on a.stream = i.stream and a.step = 'submit'
    where i.step = 'submit' and i.created_at <= %(overdue)s and a.due_at <= %(now)s
      and not exists (select from turns t where t.stream = i.stream)
    order by i.created_at
    limit %(limit)s
),
chosen as (
    select i.*, c.since, c.turn, c.clock
    from (
        select stream, step, due_at as since, null::double precision as turn, null::double precision as clock from due
        union all
        select stream, 'submit', since, turn, clock from turns
        union all
        select stream, 'submit', created_at, null, null from late
    ) c
    join projection_work.items i on i.stream = c.stream and i.step = c.step
    order by c.since, c.turn, c.stream
    limit %(limit)s
),
moved as (
    insert into work.renderers as r (renderer, clock)
    select renderer, max(turn) from chosen where turn is not null group by renderer
    on conflict (renderer) do update set clock = greatest(r.clock, excluded.clock)
),
charged as (
    insert into work.turns as t (renderer, tenant, project, clock)
    select renderer, tenant, project, max(clock) from chosen where turn is not null group by renderer, tenant, project
    on conflict (renderer, tenant, project) do update set clock = excluded.clock
),
claimed as (
    update work.agenda a
    set lease_owner = %(owner)s, due_at = %(lease_until)s, attempt = a.attempt + 1, nudge_seen = a.nudge,
        claimed_version = case when c.step = 'submit' then c.version end
    from chosen c
    where a.stream = c.stream and a.step = c.step and a.due_at <= %(now)s
    returning a.stream, a.step, a.attempt, a.lease_owner
),
counted as (
    insert into work.begun (renderer, at, stream)
    select c.renderer, %(now)s, c.stream from chosen c join claimed using (stream, step)
    where c.turn is not null and c.renderer = any(%(counted)s::text[])
    on conflict do nothing
)
select c.stream, c.tenant, c.project, c.video_id, c.step, c.renderer, c.job_stream, c.created_at, c.version, l.attempt,
       l.lease_owner as owner, r.webhook_at
from chosen c
join claimed l using (stream, step)
left join work.renderers r on c.step = 'follow' and r.renderer = c.renderer
order by c.since, c.turn, c.stream
