-- Settled and corrected, in all. A stored video that expired or was deleted was there.
select m.video_id, v.project, v.requester, v.phase, v.failure_code, m.currency,
       sum(m.amount_micro)::bigint as spent_micro, array_agg(m.position order by m.position) as positions
from projection_spend.movements m
left join projection_videos.videos v on v.tenant = m.tenant and v.video_id = m.video_id
where m.tenant = %(tenant)s and m.kind in ('settled', 'adjusted') and m.video_id is not null
  and (%(project)s::text is null or v.project = %(project)s) and v.phase is distinct from 'stored'
group by m.video_id, v.project, v.requester, v.phase, v.failure_code, m.currency
having sum(m.amount_micro) > 0
order by m.video_id
limit %(limit)s
