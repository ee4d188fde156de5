update projections.positions set position = %(position)s, updated_at = clock_timestamp() where name = %(name)s
