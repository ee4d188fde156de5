-- One row a fact that moves money; none for budgets.
insert into movements (position, stream, tenant, kind, video_id, occurred_at, day, project, key_id, requester, model,
                       renderer, purpose, tags, currency, amount_micro, renders, seconds)
select position, stream, tenant, substr(type, length('spend.') + 1), fact ->> 'video_id', occurred_at,
       case when type in ('spend.reserved', 'spend.adjusted') then coalesce(fact ->> 'day', '1970-01-01') end,
       fact ->> 'project', fact ->> 'key_id', fact ->> 'requester', fact ->> 'model', fact ->> 'renderer',
       fact ->> 'purpose', array(select jsonb_array_elements_text(coalesce(fact -> 'tags', '[]'))),
       fact -> 'cost' ->> 'currency', coalesce((fact -> 'cost' ->> 'amount_micro')::bigint, 0),
       
       case when type = 'spend.reserved' then coalesce((fact ->> 'renders')::integer, 1) else 0 end,
       coalesce((fact ->> 'seconds')::integer, 0)
from told
where type in ('spend.reserved', 'spend.settled', 'spend.released', 'spend.adjusted')
