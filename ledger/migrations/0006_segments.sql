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

-- The one change that is let pass: a payload becomes what stands for it, in the transaction that closes its segment.
create or replace function ledger.refuse_change() returns trigger
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
