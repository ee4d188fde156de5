select distinct stream from projections.parked where name = any(%s) order by stream
