select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation, trace,
       project, video_id, requester, renderer, job_id, webhook_event_id, code
from projection_audit.events a
where tenant = %(tenant)s and position > %(after)s
  and (%(project)s::text is null or project = %(project)s or exists (
      select from projection_audit.events i
      where i.tenant = %(tenant)s and i.video_id = a.video_id and i.project = %(project)s and i.type = 'render.intent'))
  and (%(video_id)s::text is null or video_id = %(video_id)s)
  and (%(type)s::text is null or type = %(type)s)
  and (%(actor)s::text is null or actor = %(actor)s)
  and (%(requester)s::text is null or requester = %(requester)s or exists (
      select from projection_audit.events i
      where i.tenant = %(tenant)s and i.video_id = a.video_id and i.requester = %(requester)s
        and i.type = 'render.intent'))
  and (%(webhook_event_id)s::text is null or webhook_event_id = %(webhook_event_id)s)
  and (%(since)s::timestamptz is null or recorded_at >= %(since)s)
  and (%(before)s::timestamptz is null or recorded_at < %(before)s)
order by position
limit %(limit)s
