-- What is to be done about each render that is not at its end, and that the others expire. One in 50 that go on met trouble.
insert into projection_work.items (stream, tenant, project, video_id, step, due_at, renderer, rank, created_at, version, position)
select stream, tenant, project, video_id,
       case when phase <> 'in_progress' then 'expire' when position %% 700 = 0 then 'reconcile' else 'follow' end,
       case when phase <> 'in_progress' or position %% 500 = 0 then created_at + interval '90 days' end,
       renderer, 0, created_at, version, position
from projection_videos.videos
where position between %(after)s * 10 + 1 and %(until)s * 10 and phase in ('in_progress', 'stored')
