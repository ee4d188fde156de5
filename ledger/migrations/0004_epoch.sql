-- Which ledger this is. A restored or promoted copy that could reuse positions gets a new row, and readers can tell.
create table ledger.epochs (
    epoch      integer     not null,
    ledger_id  uuid        not null,
    started_at timestamptz not null default clock_timestamp(),
    constraint epochs_pkey primary key (epoch)
);

insert into ledger.epochs (epoch, ledger_id) values (1, gen_random_uuid());
