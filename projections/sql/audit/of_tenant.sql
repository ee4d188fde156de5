and projection_audit.begins(a.tenant, '') | a.position
    between projection_audit.begins(%(tenant)s, '') | %(first)s and projection_audit.begins(%(tenant)s, '') | %(last)s
