select renderer, job_id, video_id
from projection_audit.events
where tenant = %(tenant)s and type = 'job.claimed'
  and (job_id = any(%(job_ids)s) or video_id = any(%(video_ids)s))
order by position
