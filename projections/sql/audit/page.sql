-- What may match is found by hashes, which indexes know; what does is told by the texts. `case` hides the texts from the
-- planner: it would take the two for independent, and a common value for a rare one.
select {columns}
from {source}
where {filters}
and case when {told} then true end
order by {place} {order}
limit %(limit)s
