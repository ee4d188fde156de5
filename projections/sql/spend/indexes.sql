create unique index movements_pkey on movements (position);
create index movements_day on movements (tenant, day, position) where day is not null;
create index movements_video on movements (tenant, video_id, position) where video_id is not null;

alter table movements add constraint movements_pkey primary key using index movements_pkey;
