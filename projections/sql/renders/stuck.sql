-- Renders that go on, and were asked for too long ago; and those of which nobody knows whether they have a job.
select video_id
from (
    select video_id from projection_work.items
    where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s) and step = 'reconcile'
    union all
    select video_id from projection_work.items
    where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s)
      and step in ('submit', 'follow', 'store') and created_at < %(stuck_before)s
) stuck
order by video_id desc
limit %(limit)s
