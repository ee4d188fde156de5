-- Renders of 30 days, number g as far from the first as it is of %(renders)s; the last hundredth is not at its end.
insert into projection_videos.videos (stream, video_id, tenant, project, requester, operation, status, phase, progress, model,
                                      seconds, size, prompt, created_at, completed_at, expires_at, expired, failure_code, deleted_at,
                                      erased, renderer, reviews, version, position)
select 'render:' || %(tenant)s || ':' || substr(id, 7), id, %(tenant)s, 'project-' || g %% 12, 'requester-' || g %% 50, 'create',
       case phase when 'stored' then 'completed' when 'failed' then 'failed' else 'in_progress' end, phase,
       case phase when 'in_progress' then g %% 100 when 'stored' then 100 else 0 end,
       case when g %% 4 = 0 then 'sora-2-pro' else 'sora-2' end, '4', '1280x720', (%(prompts)s::text[])[g %% %(distinct)s + 1], made_at,
       case when phase in ('stored', 'failed') then made_at + interval '90 s' end, made_at + interval '90 days', false,
       case when phase = 'failed' then 'moderation_blocked' end, case when g %% 200 = 3 then made_at + interval '1 day' end, false,
       case when g %% 1000 = 9 then 'rare' else 'vllm' end, 0, 9, g * 10
from (
    select g, made_at,
           'video_' || lpad(to_hex((extract(epoch from made_at) * 1000)::bigint), 12, '0') || '7' || substr(md5(g::text), 1, 19) as id,
           case when g %% 1000 = 5 then 'held' when g > %(renders)s * 0.99 then 'in_progress' when g %% 30 = 1 then 'failed'
                when g %% 100 = 2 then 'cancelled' when g %% 500 = 4 then 'denied' else 'stored' end as phase
    from generate_series(%(after)s::bigint + 1, %(until)s::bigint) g
    cross join lateral (select '2026-10-01Z'::timestamptz + interval '30 days' * g / %(renders)s as made_at) moment
) numbered
