select video_id from projection_work.items
where step = 'reconcile' and tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s)
  and (%(after)s::text is null or video_id > %(after)s)
order by video_id
limit %(limit)s
