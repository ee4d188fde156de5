select endpoint_id, tenant, project, name, url, event_types, secret_hint, disabled, created_at, updated_at,
       created_position, version
from projection_endpoints.endpoints
where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s) and disabled is null
  and %(event_type)s = any(event_types) and created_position < %(before)s
order by endpoint_id
limit %(limit)s
