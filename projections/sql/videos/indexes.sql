alter table videos add constraint videos_pkey primary key (stream);
create index videos_video on videos (tenant, project, video_id);
create index videos_listed on videos (tenant, project, video_id) where deleted_at is null and phase <> 'denied';
create index videos_of_tenant on videos (tenant, video_id);
create index videos_of_tenant_listed on videos (tenant, video_id) where deleted_at is null and phase <> 'denied';
create index videos_held on videos (tenant, video_id) where phase = 'held';
