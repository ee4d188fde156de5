update projections.parked
set skipped_at = case when %(skipped)s then coalesce(skipped_at, clock_timestamp()) end
where stream = %(stream)s and name = any(%(names)s)
