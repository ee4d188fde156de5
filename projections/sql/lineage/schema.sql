create table edges (
    stream           text        not null,
    parent_video_id  text        not null,
    child_video_id   text        not null,
    tenant           text        not null,
    project          text        not null,
    operation        text        not null,
    created_at       timestamptz not null
);
