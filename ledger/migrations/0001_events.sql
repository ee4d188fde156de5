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

create function ledger.refuse_change() returns trigger
language plpgsql as $$
begin
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
