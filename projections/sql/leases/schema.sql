-- Who is at which work item, and when it is next due. Not history and not a projection: it survives every rebuild, and
-- whatever is lost of it is made again from the items.
create schema if not exists work;
-- What workers of the version before claim by, work.leases, stays while they finish beside this one (docs/stability.md).

create table if not exists work.agenda (
    stream           text        not null,
    step             text        not null,
    due_at           timestamptz not null,
    lease_owner      text,
    attempt          integer     not null default 0,
    nudge            bigint      not null default 0,
    nudge_seen       bigint      not null default 0,
    claimed_version  integer,
    webhook_due_at   timestamptz,
    callee           text        not null default '',
    constraint agenda_pkey primary key (stream, step)
) with (fillfactor = 70);
-- Older tables lack them. What is in such a table gets its callees by the sweep.
do $$ begin
    if not exists (select from pg_attribute where attrelid = 'work.agenda'::regclass and attname = 'webhook_due_at') then
        alter table work.agenda add column webhook_due_at timestamptz;
    end if;
    if not exists (select from pg_attribute where attrelid = 'work.agenda'::regclass and attname = 'callee') then
        alter table work.agenda add column callee text not null default '';
    end if;
end $$;
create index if not exists agenda_callee_due on work.agenda (step, callee, due_at);
create index if not exists agenda_claimed on work.agenda (stream) where claimed_version is not null;
-- agenda_due, by which the version before claims, stays where there is one.
comment on column work.agenda.callee is 'whom the step calls: a renderer, or the endpoints of TENANT/PROJECT; empty: nobody';
comment on column work.agenda.webhook_due_at is 'when webhooks for its job made it due, or will';
comment on column work.agenda.due_at is 'while it is leased: when the lease ends';
comment on column work.agenda.nudge is 'position of the last webhook for its job';
comment on column work.agenda.claimed_version is
    'of a submission: the version of its item when it was claimed, until it was given back with nothing recorded';

-- Whom a step of an item calls.
create or replace function work.callee(step text, renderer text, tenant text, project text) returns text
language sql immutable
return case
    when step = 'deliver' then tenant || '/' || project
    when step in ('submit', 'reconcile', 'follow', 'store', 'purge') then coalesce(renderer, '')
    else ''
end;

-- How far items and webhooks were taken over from the read model, by their positions in the ledger.
create table if not exists work.taken_over (
    one      boolean not null default true,
    items    bigint  not null default 0,
    nudges   bigint  not null default 0,
    constraint taken_over_pkey primary key (one),
    constraint taken_over_one_check check (one)
);
insert into work.taken_over default values on conflict do nothing;

-- The clocks of the queue: of each renderer, and of each project that waits for one. See docs/adr/0031-fair-queue.md.
create table if not exists work.renderers (
    renderer       text             not null,
    clock          double precision not null default 0,
    in_flight_max  integer,
    closed         text,
    webhook_at     timestamptz,
    constraint renderers_pkey primary key (renderer)
);
-- Submissions of the last minute, of renderers that take so many in one.
create table if not exists work.begun (
    renderer  text         not null,
    at        timestamptz  not null,
    stream    text         not null,
    constraint begun_pkey primary key (renderer, at, stream)
);
create table if not exists work.turns (
    renderer  text             not null,
    tenant    text             not null,
    project   text             not null,
    clock     double precision not null,
    constraint turns_pkey primary key (renderer, tenant, project)
);
