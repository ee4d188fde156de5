alter table edges add constraint edges_pkey primary key (stream);
create index edges_child on edges (tenant, project, child_video_id);
create index edges_parent on edges (tenant, project, parent_video_id);
