-- Due when a webhook says that the claim had not seen. A submission that recorded something keeps its place until
-- the read model has seen that; one of which no start was recorded was not sent, and is not counted among the minute's.
with given as (
    select * from unnest(
        %(streams)s::text[], %(steps)s::text[], %(owners)s::text[], %(attempts)s::integer[], %(due)s::timestamptz[]
    ) as g (stream, step, owner, attempt, due_at)
),
unused as (
    delete from work.begun b using given g, work.agenda a, projection_work.items i
    where g.step = 'submit' and a.stream = g.stream and a.step = g.step and a.lease_owner = g.owner and a.attempt = g.attempt
      and i.stream = a.stream and i.step = a.step and b.stream = a.stream and b.renderer = i.renderer
      and b.at = (select max(l.at) from work.begun l where l.stream = b.stream and l.renderer = b.renderer)
      and not exists (
          select from ledger.events e
          where e.stream = a.stream and e.version > a.claimed_version and e.type = 'render.submission_started'
      )
)
update work.agenda a
set lease_owner = null,
    due_at = least(coalesce(g.due_at, to_timestamp(0)),
                   case when a.nudge > a.nudge_seen then coalesce(a.webhook_due_at, to_timestamp(0)) end),
    claimed_version = case when exists (
        select from ledger.events e where e.stream = a.stream and e.version > a.claimed_version
    ) then a.claimed_version end
from given g
where a.stream = g.stream and a.step = g.step and a.lease_owner = g.owner and a.attempt = g.attempt
returning g.stream, g.step, g.owner, g.attempt
