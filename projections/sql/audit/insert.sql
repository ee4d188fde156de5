-- One row an event, and one for each of its marks. A payload that has no such field gives null.
--
-- Whose a fact is: its own project and requester, else those of the render it is about; the render a webhook is about is
-- found by the claim on its job. Both are read from the ledger's first event of their stream, and only when that came
-- before: rows are the same whenever they are made.
, claims as (
    select c.stream, c.tenant, c.position, convert_from(c.payload, 'UTF8')::jsonb #>> '{f,video_id}' as video_id
    from (select distinct fact ->> 'job_stream' as stream from told where type = 'webhook.received') w
    join ledger.events c on c.stream = w.stream and c.version = 1 and c.type = 'job.claimed'
), about as (
    select t.*, case when split_part(t.stream, ':', 1) = 'render' then 'video_' || split_part(t.stream, ':', 3)
                     else coalesce(t.fact ->> 'video_id', c.video_id) end as video_id
    from told t
    left join claims c on c.stream = case t.type when 'webhook.received' then t.fact ->> 'job_stream' end
        and c.tenant = t.tenant and c.position < t.position
), renders as (
    select r.tenant, r.video_id, i.position, i.fact ->> 'project' as project, i.fact ->> 'requester' as requester
    from (select distinct tenant, video_id from about where starts_with(video_id, 'video_')) r
    cross join lateral (
        select e.position, convert_from(e.payload, 'UTF8')::jsonb -> 'f' as fact
        from ledger.events e
        where e.stream = 'render:' || r.tenant || ':' || substr(r.video_id, 7) and e.version = 1
        offset 0
    ) i
), told_events as (
    insert into events (position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation,
                        causation, trace, project, video_id, requester, renderer, job_id, webhook_event_id, code,
                        cost_micro, currency)
    select a.position, a.stream, a.version, a.type, a.event_id, a.recorded_at, a.occurred_at, a.tenant, a.actor,
           a.correlation, a.causation, a.trace, coalesce(a.fact ->> 'project', r.project), a.video_id,
           -- A caller may write down any video's id: it is not told whose that of another project is.
           coalesce(a.fact ->> 'requester',
                    case when coalesce(a.fact ->> 'project', r.project) = r.project then r.requester end),
           a.fact ->> 'renderer', a.fact ->> 'job_id', a.fact ->> 'webhook_event_id', a.fact ->> 'code',
           coalesce(a.fact #>> '{cost,amount_micro}', a.fact #>> '{quote,cost,amount_micro}',
                    a.fact #>> '{reported,cost,amount_micro}')::bigint,
           coalesce(a.fact #>> '{cost,currency}', a.fact #>> '{quote,cost,currency}',
                    a.fact #>> '{reported,cost,currency}')
    from about a
    left join renders r on r.tenant = a.tenant and r.video_id = a.video_id and r.position < a.position
), files as (
    select t.position, t.stream, t.tenant, f.file
    from told t
    cross join lateral (
        select jsonb_array_elements(t.fact -> 'assets') as file where jsonb_typeof(t.fact -> 'assets') = 'array'
        union all
        select given from (values (t.fact -> 'input_reference'), (t.fact -> 'source_video')) v (given)
        where jsonb_typeof(given) = 'object'
    ) f
    where t.type in ('render.intent', 'render.stored', 'character.requested')
)
insert into marks (position, stream, tenant, kind, value)
select position, stream, tenant, 'rule', jsonb_array_elements_text(fact #> '{verdict,rules}')
from told
where type in ('render.allowed', 'render.denied', 'render.approval_requested')
  and jsonb_typeof(fact #> '{verdict,rules}') = 'array'
union
select position, stream, tenant, 'sha256', file ->> 'sha256' from files where file ->> 'sha256' is not null
union
select position, stream, tenant, 'storage_uri', file ->> 'storage_uri' from files where file ->> 'storage_uri' is not null
