select distinct stream from projections.parked where name = any(%s) and skipped_at is null order by stream
