-- How far endpoints have been told of what happened. Not history and not a projection: it survives every rebuild, and
-- nothing that was told once is told again because of one.
create schema if not exists work;

create table if not exists work.announced (
    name      text    not null,
    position  bigint  not null,
    constraint announced_pkey primary key (name)
);
