select stream, position from projections.parked where name = %s
