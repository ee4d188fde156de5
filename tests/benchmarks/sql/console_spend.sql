-- What was set aside for each render, and what of it was settled or given back.
insert into projection_spend.movements (position, stream, tenant, kind, video_id, occurred_at, day, project, key_id, requester, model,
                                        renderer, purpose, tags, currency, amount_micro, renders, seconds)
select position + case kind when 'reserved' then 1 else 9 end, 'spend:' || tenant, tenant, kind, video_id, created_at,
       case when kind = 'reserved' then to_char(created_at, 'YYYY-MM-DD') end, project, 'key_1', requester, model, renderer,
       case when position %% 30 = 0 then 'draft' else 'final' end,
       case when position %% 1000 = 70 then array['rare', 'winter'] when position %% 30 = 0 then array['winter'] else '{}' end, 'USD',
       100000 + (position * 7919) %% 900000, 1, 4
from projection_videos.videos
cross join lateral unnest(case phase when 'stored' then array['reserved', 'settled'] when 'failed' then array['reserved', 'released']
                          else array['reserved'] end) kind
where position between %(after)s * 10 + 1 and %(until)s * 10 and phase <> 'denied'
