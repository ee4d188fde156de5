select name, stream, position, error_code, parked_at, skipped_at
from projections.parked
order by name, stream
