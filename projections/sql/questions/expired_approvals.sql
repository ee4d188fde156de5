select v.video_id, v.project, v.requester, v.created_at, (asked.fact ->> 'expires_at')::timestamptz as expired_at
from projection_videos.videos v
join ledger.events e on e.stream = v.stream and e.type = 'render.approval_requested'
cross join lateral (select convert_from(e.payload, 'UTF8')::jsonb -> 'f' as fact offset 0) asked
where v.tenant = %(tenant)s and (%(project)s::text is null or v.project = %(project)s)
  and v.phase = 'held' and (asked.fact ->> 'expires_at')::timestamptz < %(at)s
order by v.video_id
limit %(limit)s
