-- How far each projection has come, written in the transaction that writes its rows.
create schema if not exists projections;

create table if not exists projections.positions (
    name       text        not null,
    version    integer     not null,
    position   bigint      not null,
    updated_at timestamptz not null default clock_timestamp(),
    constraint positions_pkey primary key (name)
);

-- Streams a projection could not read. A stream's rows hold its events before `position` and none from there on.
create table if not exists projections.parked (
    name       text        not null,
    stream     text        not null,
    position   bigint      not null,
    error_code text        not null,
    parked_at  timestamptz not null default clock_timestamp(),
    constraint parked_pkey primary key (name, stream)
);

-- Set when whoever looks after the ledger says that a stream is left as it is. Older tables lack it.
do $$ begin
    if not exists (select from pg_attribute where attrelid = 'projections.parked'::regclass and attname = 'skipped_at') then
        alter table projections.parked add column skipped_at timestamptz;
    end if;
end $$;
