select video_id from projection_videos.videos where tenant = %(tenant)s and phase = 'held' order by video_id desc limit %(limit)s
