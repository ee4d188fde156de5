create table api_keys (
    stream                text        not null,
    key_id                text        not null,
    tenant                text        not null,
    project               text        not null,
    requester             text        not null,
    name                  text,
    roles                 text[]      not null,
    spans_tenant          boolean     not null,
    may_assert_requester  boolean     not null,
    issued_at             timestamptz not null,
    expires_at            timestamptz,
    revoked_at            timestamptz,
    replaces              text,
    replaced_by           text,
    approver_until        timestamptz,
    issued_position       bigint      not null,
    version               integer     not null
);
