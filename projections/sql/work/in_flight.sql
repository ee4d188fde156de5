-- What is reconciled while it has a job was lost: the renderer does not work on it.
select count(*) from projection_work.items
where renderer = %(renderer)s and (step = 'follow' or (step = 'reconcile' and job_stream is null))
