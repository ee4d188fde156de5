select video_id, tenant, project, requester, operation, status, phase, progress, model, seconds, size, prompt, created_at,
       completed_at, expires_at, expired, remixed_from_video_id, failure_code, failure_message, deleted_at, erased_at, erased, renderer,
       credential, job_id, storage_uri, sha256, bytes, review_verdict, review_score, reviews, version,
       position
from projection_videos.videos
where tenant = %(tenant)s and deleted_at is null and phase <> 'denied'
  and (%(after)s::text is null or video_id > %(after)s)
order by video_id
limit %(limit)s
