create table items (
    stream      text        not null,
    tenant      text        not null,
    project     text        not null,
    video_id    text,
    step        text        not null,
    due_at      timestamptz,
    renderer    text,
    job_stream  text,
    rank        smallint    not null,
    created_at  timestamptz not null,
    version     integer     not null,
    position    bigint      not null
);

create table nudges (
    stream       text        not null,
    job_stream   text        not null,
    position     bigint      not null,
    received_at  timestamptz not null
);
