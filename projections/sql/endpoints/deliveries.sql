select delivery_id, endpoint_id, tenant, project, event_id, event_type, video_id, state, attempts, http_status, code,
       scheduled_at, retry_at, position
from projection_endpoints.deliveries
where tenant = %(tenant)s and project = %(project)s and endpoint_id = %(endpoint_id)s
order by scheduled_at desc, delivery_id desc
limit %(limit)s
