and projection_audit.hashed(a.tenant, {column}) | a.position
    between projection_audit.hashed(%(tenant)s, {value}) | %(first)s and projection_audit.hashed(%(tenant)s, {value}) | %(last)s
