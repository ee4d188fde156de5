select stream from projections.parked where name = %s and skipped_at is not null
