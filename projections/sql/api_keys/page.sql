select key_id, tenant, project, requester, name, roles, spans_tenant, may_assert_requester, issued_at, expires_at,
       revoked_at, replaces, replaced_by, approver_until, issued_position, version
from projection_api_keys.api_keys
where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s)
  and (%(after)s::text is null or issued_position < (
      select issued_position from projection_api_keys.api_keys where tenant = %(tenant)s and key_id = %(after)s))
order by issued_position desc
limit %(limit)s
