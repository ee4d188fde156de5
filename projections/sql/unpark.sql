delete from projections.parked where name = %s and stream = any(%s)
