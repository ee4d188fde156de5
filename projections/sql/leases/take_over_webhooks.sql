-- When the last webhook of each renderer came.
insert into work.renderers as r (renderer, webhook_at)
select i.renderer, max(n.received_at)
from projection_work.nudges n join projection_work.items i on i.job_stream = n.job_stream and i.step = 'follow'
where n.position > (select nudges from work.taken_over) and i.renderer is not null
group by i.renderer
on conflict (renderer) do update set webhook_at = excluded.webhook_at
