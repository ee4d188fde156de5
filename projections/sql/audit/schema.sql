-- Texts are compared byte by byte: nobody reads them in the order of a language, and indexes are made in a fraction of the
-- time.
create table events (
    position          bigint            not null,
    stream            text collate "C"  not null,
    version           integer           not null,
    type              text collate "C"  not null,
    event_id          uuid              not null,
    recorded_at       timestamptz       not null,
    occurred_at       timestamptz       not null,
    tenant            text collate "C"  not null,
    actor             text collate "C"  not null,
    correlation       uuid,
    causation         uuid,
    trace             text collate "C",
    project           text collate "C",
    video_id          text collate "C",
    requester         text collate "C",
    renderer          text collate "C",
    job_id            text collate "C",
    webhook_event_id  text collate "C",
    code              text collate "C",
    cost_micro        bigint,
    currency          text collate "C"
);

-- What an event has several of: the rules that matched, and the files it names.
create table marks (
    position  bigint            not null,
    stream    text collate "C"  not null,
    tenant    text collate "C"  not null,
    kind      text collate "C"  not null,
    value     text collate "C"  not null
);

-- The version before this one asks by it, too.
create function hashed(tenant text, value text) returns bigint
language sql immutable parallel safe
return hashtextextended(value, hashtextextended(tenant, 0));

-- What indexes hold in place of a text: 24 bits of its hash, and the position in the lower 40, where a million million fit.
-- One number sorts in a fraction of the time. Whoever asks by it compares the text, too, since two may share a hash.
create function begins(tenant text, value text) returns bigint
language sql immutable parallel safe
return hashed(tenant, value) << 40;

-- The greatest number that a text can have.
create function ends(tenant text, value text) returns bigint
language sql immutable parallel safe
return begins(tenant, value) | 1099511627775;
