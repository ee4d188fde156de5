-- What only reads records nothing: such a key is found here, too.
select k.key_id, k.project, k.roles, k.issued_at, used.recorded_at as last_recorded_at
from projection_api_keys.api_keys k
left join lateral (
    select a.recorded_at
    from projection_audit.events a
    where projection_audit.begins(a.tenant, a.actor) | a.position
              between projection_audit.begins(k.tenant, k.key_id) and projection_audit.ends(k.tenant, k.key_id)
      and a.tenant = k.tenant and a.actor = k.key_id
    order by projection_audit.begins(a.tenant, a.actor) | a.position desc
    limit 1
) used on true
where k.tenant = %(tenant)s and (%(project)s::text is null or k.project = %(project)s)
  and k.revoked_at is null and (k.expires_at is null or k.expires_at > %(at)s)
  and coalesce(used.recorded_at, k.issued_at) < %(at)s - make_interval(days => %(days)s)
order by k.key_id
limit %(limit)s
