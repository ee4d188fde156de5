create table events (
    position          bigint      not null,
    stream            text        not null,
    version           integer     not null,
    type              text        not null,
    event_id          uuid        not null,
    recorded_at       timestamptz not null,
    occurred_at       timestamptz not null,
    tenant            text        not null,
    actor             text        not null,
    correlation       uuid,
    causation         uuid,
    trace             text,
    project           text,
    video_id          text,
    requester         text,
    renderer          text,
    job_id            text,
    webhook_event_id  text,
    code              text,
    cost_micro        bigint,
    currency          text
);

-- What an event has several of: the rules that matched, and the files it names.
create table marks (
    position  bigint  not null,
    stream    text    not null,
    tenant    text    not null,
    kind      text    not null,
    value     text    not null
);
