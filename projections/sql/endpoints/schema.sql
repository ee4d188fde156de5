create table endpoints (
    stream            text        not null,
    endpoint_id       text        not null,
    tenant            text        not null,
    project           text        not null,
    name              text        not null,
    url               text        not null,
    event_types       text[]      not null,
    secret_hint       text        not null,
    disabled          text,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    created_position  bigint      not null,
    version           integer     not null
);

create table deliveries (
    stream        text        not null,
    delivery_id   text        not null,
    endpoint_id   text        not null,
    tenant        text        not null,
    project       text        not null,
    event_id      text        not null,
    event_type    text        not null,
    video_id      text,
    state         text        not null,
    attempts      integer     not null,
    http_status   integer,
    code          text,
    scheduled_at  timestamptz not null,
    retry_at      timestamptz,
    position      bigint      not null
);
