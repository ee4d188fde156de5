-- The ledger's whole schema as it is today, to be read in one piece. A test holds it to the sum of the migrations.

create schema ledger;

-- The ledger. Positions are dense from 1 in commit order: `ledger.append` is the only writer and assigns them under one lock.
create table ledger.events (
    position    bigint      not null,
    stream      text        not null,
    version     integer     not null,
    type        text        not null,
    event_id    uuid        not null,
    recorded_at timestamptz not null,
    occurred_at timestamptz not null,
    tenant      text        not null,
    actor       text        not null,
    correlation uuid,
    causation   uuid,
    trace       text,
    payload     bytea       not null,
    constraint events_pkey primary key (position),
    constraint events_stream_version_key unique (stream, version),
    constraint events_position_check check (position > 0),
    constraint events_version_check check (version > 0),
    constraint events_stream_check check (length(stream) between 3 and 128),
    constraint events_trace_check check (trace ~ '^[0-9a-f]{32}$')
);

-- Payloads are ciphertext and small JSON: compressing them costs more than it saves.
alter table ledger.events alter column payload set storage external;

-- The one change that is let pass: a payload becomes what stands for it, in the transaction that closes its segment.
create function ledger.refuse_change() returns trigger
language plpgsql as $$
declare
    moved ledger.events%rowtype;
begin
    if tg_op = 'UPDATE' then
        moved := old;
        moved.payload := ledger.moved_payload(old.payload);
        if new *= moved and not ledger.is_moved(old.payload) and exists (
            select from ledger.segments s
            where old.position between s.first and s.last and s.xmin = pg_current_xact_id()::xid
        ) then
            return new;
        end if;
    end if;
    raise exception 'the ledger only grows: % on ledger.events is refused', tg_op
        using errcode = 'restrict_violation', hint = 'record a new fact that corrects the old one';
end $$;

create trigger events_refuse_change before update or delete on ledger.events
    for each row execute function ledger.refuse_change();

create trigger events_refuse_truncate before truncate on ledger.events
    for each statement execute function ledger.refuse_change();

-- Also in a session that replicates, where ordinary triggers sleep.
alter table ledger.events enable always trigger events_refuse_change;
alter table ledger.events enable always trigger events_refuse_truncate;

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

-- It runs with its owner's rights: whoever may append is granted it by name.
revoke all on function ledger.append(ledger.fact[], ledger.head[]) from public;

-- The same for processes of the version before, while they are replaced. Both take the same lock.
--
--   decisions .. payloads   one row a fact: the decision it belongs to and its columns
--   x_*                     one row for each stream a decision read or wrote, with the head it was decided on
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

revoke all on function ledger.append(
    int[], text[], int[], text[], uuid[], timestamptz[], text[], text[], uuid[], uuid[], text[], bytea[],
    int[], text[], int[]
) from public;

-- Wrapped keys of what is sealed in payloads. The one table of the ledger that forgets: a destroyed key keeps its name
-- and loses its bytes, so that it can never be made again.
create table ledger.keys (
    name         text        not null,
    wrapped      bytea,
    created_at   timestamptz not null default clock_timestamp(),
    destroyed_at timestamptz,
    constraint keys_pkey primary key (name),
    constraint keys_destroyed_check check ((wrapped is null) = (destroyed_at is not null))
);

-- Which ledger this is, in one row: a ledger keeps its id when a backup of it is restored or a copy promoted, and an import
-- brings its own. (A second row, of which 0004 speaks, is made by nothing: docs/adr/0024-proof.md says what tells instead.)
create table ledger.epochs (
    epoch      integer     not null,
    ledger_id  uuid        not null,
    started_at timestamptz not null default clock_timestamp(),
    constraint epochs_pkey primary key (epoch)
);

insert into ledger.epochs (epoch, ledger_id) values (1, gen_random_uuid());


-- What proves the ledger, beside it: made from ledger.events by the sequencer, and never read to decide anything.

-- Full tiles of the Merkle tree (c2sp.org/tlog-tiles): 256 hashes each. The partial ones are in ledger.tree_edge.
create table ledger.tiles (
    level  smallint not null,
    index  bigint   not null,
    hashes bytea    not null,
    constraint tiles_pkey primary key (level, index),
    constraint tiles_hashes_check check (octet_length(hashes) = 8192)
);

-- Hashes do not compress.
alter table ledger.tiles alter column hashes set storage external;

-- The right edge of the tree, the partial tile of each level; and of which ledger the tree is. It moves with the tree.
create table ledger.tree_edge (
    ledger_id uuid    not null,
    size      bigint  not null,
    partial   bytea[] not null,
    one       boolean not null default true,
    constraint tree_edge_pkey primary key (one),
    constraint tree_edge_one_check check (one),
    constraint tree_edge_size_check check (size >= 0)
);

-- Every checkpoint that was signed, as a note (c2sp.org/tlog-checkpoint).
create table ledger.checkpoints (
    size     bigint      not null,
    root     bytea       not null,
    note     text        not null,
    taken_at timestamptz not null default clock_timestamp(),
    constraint checkpoints_pkey primary key (size),
    constraint checkpoints_root_check check (octet_length(root) = 32)
);

-- How far checkpoints and tiles have come to where others keep them. Can be lost: what is there is looked at again.
create table ledger.pushes (
    target    text        not null,
    size      bigint      not null,
    pushed_at timestamptz not null default clock_timestamp(),
    constraint pushes_pkey primary key (target)
);

create function ledger.refuse_change_of_proof() returns trigger
language plpgsql as $$
begin
    raise exception 'what proves the ledger only grows: % on ledger.% is refused', tg_op, tg_table_name
        using errcode = 'restrict_violation';
end $$;

create trigger tiles_refuse_change before update or delete on ledger.tiles
    for each row execute function ledger.refuse_change_of_proof();
create trigger tiles_refuse_truncate before truncate on ledger.tiles
    for each statement execute function ledger.refuse_change_of_proof();
create trigger checkpoints_refuse_change before update or delete on ledger.checkpoints
    for each row execute function ledger.refuse_change_of_proof();
create trigger checkpoints_refuse_truncate before truncate on ledger.checkpoints
    for each statement execute function ledger.refuse_change_of_proof();

-- Also in a session that replicates, where ordinary triggers sleep.
alter table ledger.tiles enable always trigger tiles_refuse_change;
alter table ledger.tiles enable always trigger tiles_refuse_truncate;
alter table ledger.checkpoints enable always trigger checkpoints_refuse_change;
alter table ledger.checkpoints enable always trigger checkpoints_refuse_truncate;

-- Closed segments: ranges of positions whose payloads may be in a file, with their SHA-256 in their place.
create table ledger.segments (
    first           bigint      not null,
    last            bigint      not null,
    file            text        not null,
    sha256          bytea       not null,
    bytes           bigint      not null,
    checkpoint_size bigint      not null,
    closed_at       timestamptz not null default clock_timestamp(),
    constraint segments_pkey primary key (first),
    constraint segments_range_check check (first > 0 and last >= first and checkpoint_size >= last),
    constraint segments_sha256_check check (octet_length(sha256) = 32)
);

create trigger segments_refuse_change before update or delete on ledger.segments
    for each row execute function ledger.refuse_change_of_proof();
create trigger segments_refuse_truncate before truncate on ledger.segments
    for each statement execute function ledger.refuse_change_of_proof();
alter table ledger.segments enable always trigger segments_refuse_change;
alter table ledger.segments enable always trigger segments_refuse_truncate;

-- What stands for a payload that was moved. No payload begins like this: they are JSON.
create function ledger.moved_payload(payload bytea) returns bytea
language sql immutable parallel safe as $$ select '\x00'::bytea || pg_catalog.sha256(payload) $$;

create function ledger.is_moved(payload bytea) returns boolean
language sql immutable parallel safe as $$ select pg_catalog.substr(payload, 1, 1) = '\x00'::bytea $$;

-- The SHA-256 of a payload in hex, wherever it is.
create function ledger.payload_sha256(payload bytea) returns text
language sql immutable parallel safe as $$
    select pg_catalog.encode(case when pg_catalog.substr(payload, 1, 1) = '\x00'::bytea
                                  then pg_catalog.substr(payload, 2) else pg_catalog.sha256(payload) end, 'hex')
$$;
