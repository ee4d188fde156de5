-- What is due: of each callee the longest due by index, and the submissions whose turn it is. Callees go by how much of whoever
-- claims they hold, the least first; and where workers are shared (docs/adr/0031-fair-queue.md) none gets more
-- than is left to the others. A tenant, whose projects' endpoints are callees, counts as one.
with recursive callees as (
    select wanted.step, first.callee, first.due_at
    from unnest(%(steps)s::text[]) as wanted (step)
    cross join lateral (
        select a.callee, a.due_at from work.agenda a
        where a.step = wanted.step
        order by a.callee, a.due_at limit 1
    ) first
    union all
    select c.step, next.callee, next.due_at
    from callees c
    cross join lateral (
        select a.callee, a.due_at from work.agenda a
        where a.step = c.step and a.callee > c.callee
        order by a.callee, a.due_at limit 1
    ) next
),
able as (
    select c.callee, array_agg(c.step) as steps
    from callees c
    cross join lateral (
        select coalesce((%(held)s::jsonb ->> c.callee)::integer, 0) as tasks,
               coalesce((%(held)s::jsonb ->> split_part(c.callee, '/', 1))::integer, 0) as of_tenant
    ) held
    where c.due_at <= %(now)s and held.tasks < %(callee_max)s and held.of_tenant < %(limit)s
    group by c.callee
    order by min(held.of_tenant), min(held.tasks), min(c.due_at)
    limit %(callees)s
),
due as (
    select a.stream, a.step, a.callee, a.due_at
    from able
    cross join lateral unnest(able.steps) as wanted (step)
    cross join lateral (
        select a.stream, a.step, a.callee, a.due_at from work.agenda a
        where a.step = wanted.step and a.callee = able.callee and a.due_at <= %(now)s
        order by a.due_at
        limit least(%(callee_max)s, %(limit)s) + %(looks)s / (select count(*) from able)
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
found as (
    select i.*, c.callee, c.since, c.turn, c.clock,
           coalesce((%(held)s::jsonb ->> c.callee)::integer, 0)
               + row_number() over (partition by c.callee order by c.since, c.turn, c.stream) as of_callee
    from (
        select stream, step, callee, due_at as since, null::double precision as turn, null::double precision as clock
        from due
        union all
        select stream, 'submit', renderer, since, turn, clock from turns
        union all
        select stream, 'submit', '', created_at, null, null from late  -- to be failed: nobody is called
    ) c
    join projection_work.items i on i.stream = c.stream and i.step = c.step
),
ranked as (
    select f.*, %(shared)s * (
               coalesce((%(held)s::jsonb ->> split_part(f.callee, '/', 1))::integer, 0)
               + row_number() over (
                   partition by split_part(f.callee, '/', 1) order by f.of_callee, f.since, f.turn, f.stream
               ) - 1
           ) as before
    from found f
    where f.of_callee <= %(callee_max)s
),
chosen as (
    select * from (
        select r.*, row_number() over (order by r.before, r.since, r.turn, r.stream) as place from ranked r
    ) r
    where r.before + r.place <= %(limit)s  -- as many are left free as it has before this one, and this one itself
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
       l.lease_owner as owner, r.webhook_at, c.callee
from chosen c
join claimed l using (stream, step)
left join work.renderers r on c.step = 'follow' and r.renderer = c.renderer
order by c.since, c.turn, c.stream
