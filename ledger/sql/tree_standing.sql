-- How far the tree and its newest checkpoint are. Always one row.
select coalesce((select max(position) from ledger.events), 0) as head,
       coalesce((select size from ledger.tree_edge), 0) as sequenced,
       coalesce(c.size, 0) as covered,
       c.taken_at
from (select 1) one
left join lateral (select size, taken_at from ledger.checkpoints order by size desc limit 1) c on true
