-- A fact to be appended, and the number of the decision it belongs to.
create type ledger.fact as (
    stream      text,
    version     integer,
    type        text,
    event_id    uuid,
    occurred_at timestamptz,
    tenant      text,
    actor       text,
    correlation uuid,
    causation   uuid,
    trace       text,
    payload     bytea,
    decision    integer
);

-- A stream that a decision read or wrote, and the version it had when that was decided.
create type ledger.head as (
    stream   text,
    version  integer,
    decision integer
);

-- Appends many decisions in one transaction. Each is accepted whole or refused whole, and its neighbours do not notice.
--
-- Two decisions of one call never touch the same written stream (the committer sees to it).
-- Answers one row a decision: 'appended', 'replayed' (these event ids are there already: a retry gets its first answer)
-- or 'conflict' (a head moved on).
create function ledger.append(facts ledger.fact[], heads ledger.head[])
returns table (decision integer, outcome text, first_position bigint, recorded_at timestamptz)
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
    stale integer[];
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'ledger.append needs read committed: an older snapshot does not see the head'
            using errcode = 'invalid_transaction_state';
    end if;
    perform pg_advisory_xact_lock(7305809, 1);          -- until commit nobody else appends, so positions follow commits
    select e.position, e.recorded_at into head, clock from ledger.events e order by e.position desc limit 1;
    head := coalesce(head, 0);                          -- dense: a rollback burns no position
    clock := greatest(clock_timestamp(), clock);        -- never backwards along positions
    stale := array(
        select distinct h.decision from unnest(heads) h
        where h.version <> coalesce(
            (select e.version from ledger.events e where e.stream = h.stream order by e.version desc limit 1), 0)
    );
    if cardinality(stale) > 0 then
        return query
        with known as (
            select f.decision, min(e.position) as position, min(e.recorded_at) as recorded_at
            from unnest(facts) f
            left join ledger.events e on e.stream = f.stream and e.version = f.version and e.event_id = f.event_id
            where f.decision = any (stale)
            group by f.decision
            having bool_and(e.position is not null)
        )
        select s.decision, case when k.decision is null then 'conflict' else 'replayed' end, k.position, k.recorded_at
        from unnest(stale) s (decision) left join known k on k.decision = s.decision;
        facts := array(
            select facts[n] from generate_subscripts(facts, 1) n where (facts[n]).decision <> all (stale) order by n
        );
    end if;
    return query
    with fact as (select * from unnest(facts) with ordinality f (
        stream, version, type, event_id, occurred_at, tenant, actor, correlation, causation, trace, payload, decision, n
    )),
    written as (
        insert into ledger.events
        select head + f.n, f.stream, f.version, f.type, f.event_id, clock, f.occurred_at, f.tenant, f.actor,
               f.correlation, f.causation, f.trace, f.payload
        from fact f
    )
    select f.decision, 'appended', head + min(f.n), clock from fact f group by f.decision;
    if found then
        perform pg_notify('ledger', '');                -- a decision that was refused rings no bell
    end if;
end $$;

-- It runs with its owner's rights: whoever may append is granted it by name, as before.
revoke all on function ledger.append(ledger.fact[], ledger.head[]) from public;

do $$
declare
    grantee name;
begin
    for grantee in
        select r.rolname from pg_proc p, aclexplode(p.proacl) a join pg_roles r on r.oid = a.grantee
        where p.pronamespace = 'ledger'::regnamespace and p.proname = 'append' and a.grantee <> p.proowner
    loop
        execute format('grant execute on function ledger.append(ledger.fact[], ledger.head[]) to %I', grantee);
    end loop;
end $$;

-- 0002's function stays for processes of the version before, while they are replaced. Both take the same lock.
