-- How far the read model has come and how far it was taken over; no row when there is nothing new.
select n.items, n.nudges
from (
    select coalesce((select max(position) from projection_work.items), 0) as items,
           coalesce((select max(position) from projection_work.nudges), 0) as nudges
) n
join work.taken_over t on n.items > t.items or n.nudges > t.nudges
