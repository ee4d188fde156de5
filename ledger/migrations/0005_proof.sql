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
