and projection_audit.hashed(a.tenant, '') | a.position
    between projection_audit.hashed(%(tenant)s, '') | %(first)s and projection_audit.hashed(%(tenant)s, '') | %(last)s
