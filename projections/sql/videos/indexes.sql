alter table videos add constraint videos_pkey primary key (stream);
create index videos_video on videos (tenant, project, video_id);
create index videos_listed on videos (tenant, project, video_id) where deleted_at is null and phase <> 'denied';
