-- Renders that go on, and were asked for too long ago; and those of which nobody knows whether they have a job.
select video_id
from projection_work.items
where tenant = %(tenant)s and (step = 'reconcile' or (step in ('submit', 'follow', 'store') and created_at < %(stuck_before)s))
order by video_id desc
limit %(limit)s
