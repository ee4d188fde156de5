select video_id, tenant, project, requester, operation, phase, progress, model, seconds, size, prompt, created_at, completed_at
from projection_videos.videos
where tenant = %(tenant)s
order by video_id desc
limit %(limit)s
