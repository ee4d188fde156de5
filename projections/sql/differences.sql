-- Keys at which two versions of a table disagree: whether each has rows there, and in which columns they differ where both
-- have one. {live}, {rebuilt} and {key} are put in as identifiers.
select coalesce(l.key, r.key)::text as key, l.rows is not null as is_live, r.rows is not null as is_rebuilt,
       array(select a.name from jsonb_each(l.rows -> 0) as a (name, value)
             where jsonb_array_length(l.rows) = 1 and jsonb_array_length(r.rows) = 1
               and a.value is distinct from r.rows -> 0 -> a.name
             order by a.name) as columns
from (select {key} as key, jsonb_agg(to_jsonb(t) order by to_jsonb(t)) as rows from {live} t group by {key}) l
full join (select {key} as key, jsonb_agg(to_jsonb(t) order by to_jsonb(t)) as rows from {rebuilt} t group by {key}) r
    on l.key = r.key
where l.rows is distinct from r.rows
order by coalesce(l.key, r.key)
limit {limit}
