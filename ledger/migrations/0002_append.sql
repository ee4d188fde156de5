-- Appends many decisions in one transaction. Each is accepted whole or refused whole, and its neighbours do not notice.
--
--   decisions .. payloads   one row a fact: the decision it belongs to and its columns
--   x_*                     one row for each stream a decision read or wrote, with the head it was decided on
--
-- Two decisions of one call never touch the same written stream (the committer sees to it).
-- Answers one row a decision: 'appended', 'replayed' (these event ids are there already: a retry gets its first answer)
-- or 'conflict' (a head moved on).
create function ledger.append(
    decisions int[], streams text[], versions int[], types text[], event_ids uuid[], occurred timestamptz[],
    tenants text[], actors text[], correlations uuid[], causations uuid[], traces text[], payloads bytea[],
    x_decisions int[], x_streams text[], x_heads int[]
) returns table (decision int, outcome text, first_position bigint, recorded_at timestamptz)
language plpgsql
-- The application's role needs no right on the table: it may execute this and read.
security definer
set search_path = pg_catalog, pg_temp
-- A plan made while the table was empty would scan it for ever; a generic plan by index is right at every size.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
    head  bigint;
    clock timestamptz;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'ledger.append needs read committed: an older snapshot does not see the head'
            using errcode = 'invalid_transaction_state';
    end if;
    perform pg_advisory_xact_lock(7305809, 1);          -- until commit nobody else appends, so positions follow commits
    select e.position, e.recorded_at into head, clock from ledger.events e order by e.position desc limit 1;
    head := coalesce(head, 0);                          -- dense: a rollback burns no position
    clock := greatest(clock_timestamp(), clock);        -- never backwards along positions
    return query
    with fact as (
        select * from unnest(decisions, streams, versions, types, event_ids, occurred, tenants, actors, correlations,
                             causations, traces, payloads)
            with ordinality as f(d, stream, version, type, event_id, occurred_at, tenant, actor, correlation,
                                 causation, trace, payload, n)
    ),
    stale as (
        select distinct x.d
        from unnest(x_decisions, x_streams, x_heads) as x(d, stream, head)
        where x.head <> coalesce(
            (select e.version from ledger.events e where e.stream = x.stream order by e.version desc limit 1), 0)
    ),
    known as (
        select f.d, min(o.position) as position, min(o.recorded_at) as recorded_at
        from stale
        join fact f using (d)
        cross join lateral (
            select e.position, e.recorded_at from ledger.events e
            where e.stream = f.stream and e.version = f.version and e.event_id = f.event_id
        ) o
        group by f.d
        having count(*) = (select count(*) from fact a where a.d = f.d)
    ),
    fresh as (
        select f.*, head + row_number() over (order by f.n) as position
        from fact f where f.d not in (select s.d from stale s)
    ),
    written as (
        insert into ledger.events
        select f.position, f.stream, f.version, f.type, f.event_id, clock, f.occurred_at, f.tenant, f.actor,
               f.correlation, f.causation, f.trace, f.payload
        from fresh f order by f.n
    )
    select f.d, 'appended', min(f.position), clock from fresh f group by f.d
    union all
    select k.d, 'replayed', k.position, k.recorded_at from known k
    union all
    select s.d, 'conflict', null::bigint, null::timestamptz from stale s where s.d not in (select k.d from known k);
    if exists (select from ledger.events e where e.position > head) then
        perform pg_notify('ledger', '');                -- a decision that was refused rings no bell
    end if;
end $$;

-- It runs with its owner's rights: whoever may append is granted it by name.
revoke all on function ledger.append from public;
