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
