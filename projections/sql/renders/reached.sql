-- The last render that `page` went through, when it did not come to the end.
select video_id
from projection_videos.videos
where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s)
  and video_id >= %(from)s and video_id < %(before)s
order by video_id desc
offset %(look)s - 1 limit 1
