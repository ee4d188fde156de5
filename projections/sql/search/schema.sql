-- The one place where sealed words lie open: what was written, as words to be found, never as text. `progress` has one row.
create schema if not exists search;

create table if not exists search.texts (
    position   bigint    not null,
    tenant     text      not null,
    requester  text      not null,
    subject    text      not null,
    words      tsvector  not null,
    constraint texts_pkey primary key (position)
);
create index if not exists texts_words on search.texts using gin (words);
create index if not exists texts_subject on search.texts (subject);
create index if not exists texts_requester on search.texts (requester);

create table if not exists search.progress (
    id        smallint  not null default 1,
    version   integer   not null,
    position  bigint    not null,
    constraint progress_pkey primary key (id),
    constraint progress_id_check check (id = 1)
);
