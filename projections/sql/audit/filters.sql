projection_audit.hashed(a.tenant, '') = projection_audit.hashed(%(tenant)s, '')
and a.position > %(after)s and a.position < %(before)s
and (%(type)s::text is null
     or projection_audit.hashed(a.tenant, a.type) = projection_audit.hashed(%(tenant)s, %(type)s))
and (%(actor)s::text is null
     or projection_audit.hashed(a.tenant, a.actor) = projection_audit.hashed(%(tenant)s, %(actor)s))
and (%(trace)s::text is null
     or projection_audit.hashed(a.tenant, a.trace) = projection_audit.hashed(%(tenant)s, %(trace)s))
and (%(project)s::text is null
     or projection_audit.hashed(a.tenant, a.project) = projection_audit.hashed(%(tenant)s, %(project)s))
and (%(requester)s::text is null
     or projection_audit.hashed(a.tenant, a.requester) = projection_audit.hashed(%(tenant)s, %(requester)s))
and (%(job_id)s::text is null
     or projection_audit.hashed(a.tenant, a.job_id) = projection_audit.hashed(%(tenant)s, %(job_id)s))
and (%(webhook_event_id)s::text is null
     or projection_audit.hashed(a.tenant, a.webhook_event_id) = projection_audit.hashed(%(tenant)s, %(webhook_event_id)s))
and (%(correlation)s::uuid is null or a.correlation = %(correlation)s)
and (%(causation)s::uuid is null or a.causation = %(causation)s)
and (%(cost_micro_min)s::bigint is null or a.cost_micro >= %(cost_micro_min)s)
and (%(cost_micro_max)s::bigint is null or a.cost_micro <= %(cost_micro_max)s)
