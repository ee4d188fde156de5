alter table events add constraint events_pkey primary key (position);
create index events_tenant on events (tenant, position);
create index events_recorded on events (tenant, recorded_at);
create index events_type on events (tenant, type, position);
create index events_actor on events (tenant, actor, position);
create index events_video on events (tenant, video_id, position) where video_id is not null;
create index events_requester on events (tenant, requester, position) where requester is not null;
create index events_webhook on events (tenant, webhook_event_id, position) where webhook_event_id is not null;
create index events_job on events (tenant, job_id) where type = 'job.claimed';
