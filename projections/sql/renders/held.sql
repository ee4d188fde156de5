select video_id
from projection_videos.videos
where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s) and phase = 'held'
order by video_id desc
limit %(limit)s
