-- The newest renders that match, among the %(look)s that are gone through. Every column of a list comes with them.
with looked as (
    select stream, video_id, tenant, project, requester, operation, phase, progress, model, seconds, size, prompt, created_at,
           completed_at, expired, erased, deleted_at, remixed_from_video_id, failure_code, failure_message, renderer,
           review_verdict
    from projection_videos.videos
    where tenant = %(tenant)s and (%(project)s::text is null or project = %(project)s)
      and (%(ids)s::text[] is null or video_id = any(%(ids)s)) and video_id >= %(from)s and video_id < %(before)s
    order by video_id desc
    limit %(look)s
), found as (
    select *
    from looked l
    where phase = any(%(phases)s) and (deleted_at is not null) = %(deleted)s
      and (%(requester)s::text is null or requester = %(requester)s)
      and (%(model)s::text is null or model = %(model)s)
      and (%(renderer)s::text is null or renderer = %(renderer)s)
      and (not %(of_spend)s or exists (
          select from projection_spend.movements m
          where m.tenant = l.tenant and m.video_id = l.video_id
          having (%(purpose)s::text is null or bool_or(m.purpose = %(purpose)s))
             and sum(case m.kind when 'released' then -m.amount_micro when 'settled' then 0 else m.amount_micro end)
                 between coalesce(%(cost_micro_min)s::bigint, 0) and coalesce(%(cost_micro_max)s::bigint, 9223372036854775807)))
    order by video_id desc
    limit %(limit)s
)
select f.video_id, f.tenant, f.project, f.requester, f.operation, f.phase, f.progress, f.model, f.seconds, f.size, f.prompt,
       f.created_at, f.completed_at, f.expired, f.erased, f.deleted_at, f.remixed_from_video_id, f.failure_code, f.failure_message,
       f.renderer, f.review_verdict, r.purpose, coalesce(r.tags, '{}') as tags, r.currency,
       coalesce(s.cost_micro, 0)::bigint as cost_micro, coalesce(s.settled, false) as settled, w.step,
       case when w.step in ('submit', 'follow', 'store') then w.due_at end as retry_at
from found f
left join lateral (
    select purpose, tags, currency from projection_spend.movements m
    where m.tenant = f.tenant and m.video_id = f.video_id and m.kind = 'reserved' order by position limit 1
) r on true
left join lateral (
    select sum(case m.kind when 'released' then -m.amount_micro when 'settled' then 0 else m.amount_micro end) as cost_micro,
           bool_or(m.kind = 'settled') as settled
    from projection_spend.movements m
    where m.tenant = f.tenant and m.video_id = f.video_id
) s on true
left join projection_work.items w on w.stream = f.stream
order by f.video_id desc
