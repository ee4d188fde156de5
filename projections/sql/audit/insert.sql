-- One row an event, and one for each of its marks. A payload that has no such field gives null.
--
-- Whose a fact is: its own project and requester, else those of the render it is about; the render a webhook is about is
-- found by the claim on its job, and whose that is, its receipt is; an attempt of a delivery is about what was scheduled.
-- All are read from the first event of their stream, from the ledger where it is not among what is told, and only when that
-- came before: rows are the same whenever they are made.
, read as materialized (
    select position, stream, version, type, event_id, recorded_at, occurred_at, coalesce(begun[1], tenant) as tenant, actor,
           correlation, causation, trace, coalesce(fact ->> 'project', begun[3]) as project,
           case when starts_with(stream, 'render:') then 'video_' || split_part(stream, ':', 3)
                when type = 'webhook.received' then begun[2]
                else coalesce(fact ->> 'video_id', begun[2]) end as video_id,
           fact ->> 'requester' as requester, fact ->> 'renderer' as renderer, fact ->> 'job_id' as job_id,
           fact ->> 'webhook_event_id' as webhook_event_id, fact ->> 'code' as code,
           coalesce(fact -> 'cost', fact -> 'quote' -> 'cost', fact -> 'reported' -> 'cost') as cost,
           case when type in ('render.intent', 'render.allowed', 'render.denied', 'render.approval_requested',
                              'render.stored', 'character.requested') then fact end as marked
    from (
        select *, case when type in ('webhook.received', 'delivery.attempted', 'delivery.given_up') then (
            select array[c.tenant, c.fact ->> 'video_id', c.fact ->> 'project']
            from (
                select b.tenant, convert_from(b.payload, 'UTF8')::jsonb -> 'f' as fact
                from ledger.events b
                where b.stream = coalesce(told.fact ->> 'job_stream', told.stream) and b.version = 1
                  and b.type in ('job.claimed', 'delivery.scheduled') and b.position < told.position
            ) c) end as begun
        from told
        offset 0  -- or it would be looked up wherever it is named
    ) told
), asked as (
    select tenant, video_id, position, project, requester
    from read
    where version = 1 and type = 'render.intent' and stream = 'render:' || tenant || ':' || substr(video_id, 7)
), renders as (
    select tenant, video_id, position, project, requester from asked
    union all
    select v.tenant, v.video_id, i.position, i.fact ->> 'project', i.fact ->> 'requester'
    -- `offset 0` here: the planner takes few for videos, and would sort them all instead of hashing them.
    from (select distinct tenant, video_id from read offset 0) v
    cross join lateral (
        select e.position, convert_from(e.payload, 'UTF8')::jsonb -> 'f' as fact
        from ledger.events e
        where e.stream = 'render:' || v.tenant || ':' || substr(v.video_id, 7) and e.version = 1
        offset 0
    ) i
    where starts_with(v.video_id, 'video_')
      and not exists (select from asked where asked.tenant = v.tenant and asked.video_id = v.video_id)
), told_events as (
    insert into events (position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation,
                        causation, trace, project, video_id, requester, renderer, job_id, webhook_event_id, code,
                        cost_micro, currency)
    select a.position, a.stream, a.version, a.type, a.event_id, a.recorded_at, a.occurred_at, a.tenant, a.actor,
           a.correlation, a.causation, a.trace, coalesce(a.project, r.project), a.video_id,
           -- A caller may write down any video's id: it is not told whose that of another project is.
           coalesce(a.requester, case when coalesce(a.project, r.project) = r.project then r.requester end),
           a.renderer, a.job_id, a.webhook_event_id, a.code, (a.cost ->> 'amount_micro')::bigint, a.cost ->> 'currency'
    from read a
    left join renders r on r.video_id = a.video_id and r.tenant = a.tenant and r.position < a.position
)
insert into marks (position, stream, tenant, kind, value)
select distinct position, stream, tenant, kind, value
from (
    select position, stream, tenant, 'rule' as kind, jsonb_array_elements_text(marked -> 'verdict' -> 'rules') as value
    from read
    where jsonb_typeof(marked -> 'verdict' -> 'rules') = 'array'
    union all
    select f.position, f.stream, f.tenant, named.kind, named.value
    from (
        select position, stream, tenant, jsonb_array_elements(marked -> 'assets') as file
        from read
        where jsonb_typeof(marked -> 'assets') = 'array'
        union all
        select position, stream, tenant, marked -> 'input_reference' from read
        where jsonb_typeof(marked -> 'input_reference') = 'object'
        union all
        select position, stream, tenant, marked -> 'source_video' from read
        where jsonb_typeof(marked -> 'source_video') = 'object'
    ) f
    cross join lateral (values ('sha256', file ->> 'sha256'), ('storage_uri', file ->> 'storage_uri')) named (kind, value)
    where named.value is not null
) m
