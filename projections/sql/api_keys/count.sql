select count(*) from projection_api_keys.api_keys
where tenant = %(tenant)s and project = %(project)s and revoked_at is null
  and (expires_at is null or expires_at > %(now)s)
