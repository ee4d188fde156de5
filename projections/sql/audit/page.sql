-- What may match is found by hashes; what does is told by the texts. `offset 0` keeps the two apart: the planner would take
-- them for independent, and a common value for a rare one.
select {columns}
from (
    select {candidates}
    from {source}
    where {filters}
    order by {position} {order}
    offset 0
) a
where {told}
order by a.position {order}
limit %(limit)s
