and projection_audit.hashed(a.tenant, {column}) = projection_audit.hashed(%(tenant)s, {value})
