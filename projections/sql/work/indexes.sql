alter table items add constraint items_pkey primary key (stream);
create index items_position on items (position);
create index items_job on items (job_stream) where step = 'follow';
create index items_at_renderer on items (renderer) where step in ('reconcile', 'follow');
create index items_waiting on items (renderer, tenant, project, rank, created_at, stream) where step = 'submit';
create index items_waiting_long on items (created_at) where step = 'submit';
alter table nudges add constraint nudges_pkey primary key (stream);
create index nudges_job on nudges (job_stream, position);
create index nudges_position on nudges (position);
