-- `tags <> '{}'` says nothing new; it is the condition of the index.
select video_id
from projection_spend.movements
where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s)
  and kind = 'reserved' and tags <> '{}' and video_id is not null and tags @> array[%(tag)s::text]
order by position desc
limit %(limit)s
