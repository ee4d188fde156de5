-- One row an event. A payload that has no such field gives null.
insert into events (position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation,
                    causation, trace, project, video_id, requester, renderer, job_id, webhook_event_id, code)
select position, stream, version, type, event_id, recorded_at, occurred_at, tenant, actor, correlation, causation, trace,
       fact ->> 'project',
       case when split_part(stream, ':', 1) = 'render' then 'video_' || split_part(stream, ':', 3)
            else fact ->> 'video_id' end,
       fact ->> 'requester', fact ->> 'renderer', fact ->> 'job_id', fact ->> 'webhook_event_id', fact ->> 'code'
from told
