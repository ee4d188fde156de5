select {columns}
from projection_audit.events a
where a.event_id = %(event_id)s and a.tenant = %(tenant)s
