delete from projections.parked where name = %s
