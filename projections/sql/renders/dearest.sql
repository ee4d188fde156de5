-- The renders that match, the one that cost most first, among the newest %(look)s.
with looked as (
    select stream, video_id, tenant, project, requester, operation, phase, progress, model, seconds, size, prompt, created_at,
           completed_at, expired, erased, deleted_at, remixed_from_video_id, failure_code, failure_message, renderer,
           review_verdict
    from projection_videos.videos
    where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s)
      and (%(ids)s::text[] is null or video_id = any(%(ids)s)) and video_id >= %(from)s and video_id < %(before)s
    order by video_id desc
    limit %(look)s
)
select f.video_id, f.tenant, f.project, f.requester, f.operation, f.phase, f.progress, f.model, f.seconds, f.size, f.prompt,
       f.created_at, f.completed_at, f.expired, f.erased, f.deleted_at, f.remixed_from_video_id, f.failure_code, f.failure_message,
       f.renderer, f.review_verdict, s.purpose, coalesce(r.tags, '{}') as tags, s.currency,
       coalesce(s.cost_micro, 0)::bigint as cost_micro, coalesce(s.settled, false) as settled, w.step,
       case when w.step in ('submit', 'follow', 'store') then w.due_at end as retry_at
from looked f
join lateral (
    select sum(case m.kind when 'released' then -m.amount_micro when 'settled' then 0 else m.amount_micro end) as cost_micro,
           bool_or(m.kind = 'settled') as settled, max(purpose) as purpose, max(currency) as currency
    from projection_spend.movements m
    where m.tenant = f.tenant and m.video_id = f.video_id
) s on s.cost_micro > 0
left join lateral (
    select tags from projection_spend.movements m
    where m.tenant = f.tenant and m.video_id = f.video_id and m.kind = 'reserved' order by position limit 1
) r on true
left join projection_work.items w on w.stream = f.stream
where phase = any(%(phases)s) and (deleted_at is not null) = %(deleted)s
  and (%(requester)s::text is null or requester = %(requester)s)
  and (%(model)s::text is null or model = %(model)s)
  and (%(renderer)s::text is null or f.renderer = %(renderer)s)
  and (%(purpose)s::text is null or s.purpose = %(purpose)s)
  and s.cost_micro between coalesce(%(cost_micro_min)s::bigint, 0) and coalesce(%(cost_micro_max)s::bigint, 9223372036854775807)
order by s.cost_micro desc, f.video_id desc
offset %(shown)s limit %(limit)s
