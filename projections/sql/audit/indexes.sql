-- Each question begins at one value of a tenant and goes on by position, so that a page costs what it shows. What a stream
-- has is found by the ledger's own index; of a render, what is outside its stream is found here. No two entries are the
-- same, so looking for such ones is left; what has no value is left out.
create unique index events_pkey on events (position);
create unique index events_event_id_key on events (event_id);
create index events_tenant on events ((begins(tenant, '') | position)) with (deduplicate_items = off);
create index events_type on events ((begins(tenant, type) | position)) with (deduplicate_items = off);
create index events_actor on events ((begins(tenant, actor) | position)) with (deduplicate_items = off);
create index events_trace on events ((begins(tenant, trace) | position)) with (deduplicate_items = off)
    where trace is not null;
create index events_project on events ((begins(tenant, project) | position)) with (deduplicate_items = off)
    where project is not null;
create index events_requester on events ((begins(tenant, requester) | position)) with (deduplicate_items = off)
    where requester is not null;
create index events_video on events ((begins(tenant, video_id) | position)) with (deduplicate_items = off)
    where video_id is not null and not starts_with(stream, 'render:');
create index events_job on events ((begins(tenant, job_id) | position)) with (deduplicate_items = off)
    where job_id is not null;
create index events_webhook on events ((begins(tenant, webhook_event_id) | position)) with (deduplicate_items = off)
    where webhook_event_id is not null;
create index events_correlation on events (correlation, position) with (deduplicate_items = off) where correlation is not null;
create index events_causation on events (causation, position) with (deduplicate_items = off) where causation is not null;
create index events_cost on events (cost_micro, position) with (deduplicate_items = off) where cost_micro is not null;
create index marks_value on marks ((begins(tenant, value) | position)) with (deduplicate_items = off);

alter table events add constraint events_pkey primary key using index events_pkey;
alter table events add constraint events_event_id_key unique using index events_event_id_key;

-- Of an index that leaves rows out the planner does not learn how rare a value is.
create statistics events_trace_values on ((begins(tenant, trace) | position)) from events;
create statistics events_project_values on ((begins(tenant, project) | position)) from events;
create statistics events_requester_values on ((begins(tenant, requester) | position)) from events;
create statistics events_video_values on ((begins(tenant, video_id) | position)) from events;
create statistics events_job_values on ((begins(tenant, job_id) | position)) from events;
create statistics events_webhook_values on ((begins(tenant, webhook_event_id) | position)) from events;
