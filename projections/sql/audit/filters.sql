a.position > %(after)s and a.position < %(before)s
and (%(correlation)s::uuid is null or a.correlation = %(correlation)s)
and (%(causation)s::uuid is null or a.causation = %(causation)s)
and (%(cost_micro_min)s::bigint is null or a.cost_micro >= %(cost_micro_min)s)
and (%(cost_micro_max)s::bigint is null or a.cost_micro <= %(cost_micro_max)s)
