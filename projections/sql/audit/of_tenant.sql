and projection_audit.hashed(a.tenant, '') = projection_audit.hashed(%(tenant)s, '')
