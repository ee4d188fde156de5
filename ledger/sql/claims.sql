-- The claims on these jobs: a stream of a job has a version 1 and nothing else.
select stream, position, tenant
from ledger.events
where stream = any(%(streams)s) and version = 1 and type = %(type)s
