-- A ledger restored from a backup ends before what was taken over.
update work.taken_over
set items = least(items, coalesce((select max(position) from projection_work.items), 0)),
    nudges = least(nudges, coalesce((select max(position) from projection_work.nudges), 0))
