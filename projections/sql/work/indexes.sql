alter table items add constraint items_pkey primary key (stream);
alter table nudges add constraint nudges_pkey primary key (stream);
create index nudges_job on nudges (job_stream, position);
create index items_reconciling on items (tenant, video_id) where step = 'reconcile';
