-- What those workers claimed by: sql/leases/schema.sql of that version, as it was.
create schema if not exists work;

create table if not exists work.leases (
    stream       text        not null,
    step         text        not null,
    due_at       timestamptz,
    lease_owner  text,
    lease_until  timestamptz,
    attempt      integer     not null default 0,
    nudge_seen   bigint      not null default 0,
    constraint leases_pkey primary key (stream, step)
);
