-- Each question begins at one value and goes on by position, so that a page costs what it shows. What many events share
-- is looked for within its tenant. What only few share is a key by itself: a text that differs early sorts in half the time.
alter table events add constraint events_pkey primary key (position);
alter table events add constraint events_event_id_key unique (event_id);
create index events_tenant on events (tenant, position);
create index events_type on events (tenant, type, position);
create index events_actor on events (tenant, actor, position);
create index events_stream on events (stream, position);
create index events_video on events (video_id, position) where video_id is not null;
create index events_project on events (tenant, project, position) where project is not null;
create index events_requester on events (tenant, requester, position) where requester is not null;
create index events_webhook on events (webhook_event_id, position) where webhook_event_id is not null;
create index events_job on events (job_id, position) where job_id is not null;
create index events_trace on events (trace, position) where trace is not null;
create index events_correlation on events (correlation, position) where correlation is not null;
create index events_causation on events (causation, position) where causation is not null;
create index events_cost on events (tenant, cost_micro, position) where cost_micro is not null;
create index marks_value on marks (value, tenant, position);
