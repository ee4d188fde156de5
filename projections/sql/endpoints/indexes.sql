alter table endpoints add constraint endpoints_pkey primary key (stream);
create index endpoints_listed on endpoints (tenant, project, endpoint_id);
alter table deliveries add constraint deliveries_pkey primary key (stream);
create index deliveries_listed on deliveries (tenant, project, endpoint_id, scheduled_at);
