-- An intent and the decision on it are recorded in one append: there is none of these, unless a ledger was tampered with.
-- The ledger's index of streams is in the database's collation, and this read model's texts are not: in theirs the planner
-- would read the whole ledger for each intent.
select i.video_id, i.project, i.requester, i.recorded_at, i.position
from projection_audit.events i
where projection_audit.begins(i.tenant, i.type) | i.position
          between projection_audit.begins(%(tenant)s, 'render.intent')
              and projection_audit.ends(%(tenant)s, 'render.intent')
  and i.tenant = %(tenant)s and i.type = 'render.intent' and (%(project)s::text is null or i.project = %(project)s)
  and not exists (
      select from ledger.events d
      where d.stream = i.stream collate "default" and d.type in ('render.allowed', 'render.denied', 'render.approval_requested'))
order by projection_audit.begins(i.tenant, i.type) | i.position
limit %(limit)s
