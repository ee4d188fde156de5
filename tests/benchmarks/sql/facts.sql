-- Events of renders, ten each, 200 renders mixed: number g is step (g - 1) %% 2000 / 200 of render (g - 1) / 2000 * 200 + (g - 1) %% 200.
insert into ledger.events (position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor,
                           correlation, causation, trace, payload)
select g,
       case step when 4 then 'job:' || lpad(to_hex(r), 64, '0')
                 when 9 then 'settled:acme:' || lpad(to_hex(r), 32, '0')
                 else 'render:acme:' || lpad(to_hex(r), 32, '0') end,
       case step when 4 then 1 when 9 then 1 else step + case when step > 4 then 0 else 1 end end,
       type, md5('e' || g)::uuid, '2026-01-01Z'::timestamptz + g * interval '10 ms', '2026-01-01Z'::timestamptz + g * interval '10 ms',
       'acme', case when step < 2 then 'key_' || r %% 5 else 'worker' end,
       md5('r' || r)::uuid, case when step > 0 then md5('e' || g - 200)::uuid end, lpad(to_hex(r), 32, '0'),
       convert_to('{"f":' || fact || ',"v":1}', 'UTF8')
from (
    select g, ((g - 1) / 2000) * 200 + (g - 1) %% 200 as r, ((g - 1) %% 2000) / 200 as step
    from generate_series(%(after)s::bigint + 1, %(until)s::bigint) g
) numbered
cross join lateral (
    select case step
        when 0 then 'render.intent' when 1 then 'render.allowed' when 2 then 'render.submission_started'
        when 3 then 'render.queued' when 4 then 'job.claimed' when 5 then 'render.progress' when 6 then 'render.progress'
        when 7 then 'render.completed'
        when 8 then case when r %% 1000 = 7 then 'render.failed' else 'render.stored' end
        else 'spend.settled' end as type,
    case step
        when 0 then format('{"video_id":"video_%%s","project":"project-%%s","requester":"requester-%%s","model":"sora-2","seconds":"4","size":"1280x720","prompt":"%%s"}',
                           lpad(to_hex(r), 32, '0'), r %% 12, r %% 50, repeat('x', 160))
        when 1 then format('{"renderer":"vllm","credential":"main","verdict":{"rules":["rule-%%s"%%s]},"quote":{"cost":{"amount_micro":%%s,"currency":"USD"}}}',
                           r %% 20, case when r %% 9973 = 5 then ',"rule-rare"' else '' end, (r * 7919) %% 1000000)
        when 2 then '{"attempt":1,"renderer":"vllm","credential":"main","replica":"https://renderer.example"}'
        when 3 then format('{"attempt":1,"renderer":"vllm","credential":"main","job_id":"job_%%s","progress":0}', r)
        when 4 then format('{"renderer":"vllm","credential":"main","job_id":"job_%%s","video_id":"video_%%s"}', r, lpad(to_hex(r), 32, '0'))
        when 5 then '{"status":"in_progress","progress":30}'
        when 6 then '{"status":"in_progress","progress":70}'
        when 7 then '{"status":"completed","progress":100}'
        when 8 then case when r %% 1000 = 7 then '{"status":"failed","code":"moderation_blocked","failed_by":"renderer"}'
            else format('{"assets":[{"variant":"video","storage_uri":"file:///assets/%%1$s","sha256":"%%1$s","bytes":1234567}]}',
                        lpad(to_hex(r), 64, '0')) end
        else format('{"video_id":"video_%%s","cost":{"amount_micro":%%s,"currency":"USD"}}', lpad(to_hex(r), 32, '0'), (r * 7919) %% 1000000) end as fact
) made
