-- Due when a webhook says that the claim had not seen. A submission that recorded something keeps its place until
-- the read model has seen that; one of which no start was recorded was not sent, and is not counted among the minute's.
with unused as (
    delete from work.begun b using work.agenda a, projection_work.items i
    where a.stream = %(stream)s and a.step = %(step)s and a.lease_owner = %(owner)s and a.attempt = %(attempt)s
      and a.step = 'submit' and i.stream = a.stream and i.step = a.step and b.stream = a.stream and b.renderer = i.renderer
      and b.at = (select max(l.at) from work.begun l where l.stream = b.stream and l.renderer = b.renderer)
      and not exists (
          select from ledger.events e
          where e.stream = a.stream and e.version > a.claimed_version and e.type = 'render.submission_started'
      )
)
update work.agenda a
set lease_owner = null,
    due_at = least(coalesce(%(due_at)s, to_timestamp(0)),
                   case when a.nudge > a.nudge_seen then coalesce(a.webhook_due_at, to_timestamp(0)) end),
    claimed_version = case when exists (
        select from ledger.events e where e.stream = a.stream and e.version > a.claimed_version
    ) then a.claimed_version end
where stream = %(stream)s and step = %(step)s and lease_owner = %(owner)s and attempt = %(attempt)s
