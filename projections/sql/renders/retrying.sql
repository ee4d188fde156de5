-- A step other than lapse, reconcile and expire has a time only behind trouble.
select video_id
from projection_work.items
where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s)
  and step in ('submit', 'follow', 'store') and due_at is not null
order by video_id desc
limit %(limit)s
