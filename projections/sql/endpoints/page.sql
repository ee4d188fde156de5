select endpoint_id, tenant, project, name, url, event_types, secret_hint, disabled, created_at, updated_at,
       created_position, version
from projection_endpoints.endpoints
where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s)
  and (%(after)s::text is null or endpoint_id < %(after)s)
order by endpoint_id desc
limit %(limit)s
