select {columns}
from {source}
where {filters}
order by {position} {order}
limit %(limit)s
