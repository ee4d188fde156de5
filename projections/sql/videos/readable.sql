select video_id
from projection_videos.videos
where tenant = %(tenant)s and erased_at is null and phase = any(%(ends)s)
  and (%(after)s::text is null or video_id > %(after)s) and video_id < %(before)s
order by video_id
limit %(limit)s
