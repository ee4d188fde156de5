-- The same page without any index of ours: whose a fact is has to be looked up in its render's intent.
select e.*
from ledger.events e
cross join lateral (select convert_from(e.payload, 'UTF8')::jsonb -> 'f' as fact offset 0) p
where e.tenant = %(tenant)s
  and (%(requester)s::text is null or p.fact ->> 'requester' = %(requester)s or exists (
      select from ledger.events i
      where i.stream = e.stream and i.version = 1
        and convert_from(i.payload, 'UTF8')::jsonb #>> '{f,requester}' = %(requester)s))
  and (%(sha256)s::text is null or p.fact @> jsonb_build_object('assets', jsonb_build_array(jsonb_build_object('sha256', %(sha256)s::text))))
  and (%(rule)s::text is null or p.fact #> '{verdict,rules}' ? %(rule)s)
  and (%(cost_micro_min)s::bigint is null
       or coalesce(p.fact #>> '{cost,amount_micro}', p.fact #>> '{quote,cost,amount_micro}')::bigint >= %(cost_micro_min)s)
order by e.position desc
limit %(limit)s
