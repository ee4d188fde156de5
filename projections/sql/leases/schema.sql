-- Who is at which work item, and when it is next due. Not history and not a projection: it survives every rebuild.
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
