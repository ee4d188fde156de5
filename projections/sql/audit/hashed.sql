and projection_audit.begins(a.tenant, {column}) | a.position
    between projection_audit.begins(%(tenant)s, {value}) | %(first)s and projection_audit.begins(%(tenant)s, {value}) | %(last)s
