-- Rows of which two versions of a table disagree, by their key: whether each has the row, and in which columns they differ
-- where both have it. {live}, {rebuilt} and {key} are put in as identifiers.
select key::text, l.row is not null as is_live, r.row is not null as is_rebuilt,
       array(select a.name from jsonb_each(l.row) as a (name, value)
             where r.row is not null and a.value is distinct from r.row -> a.name
             order by a.name) as columns
from (select {key} as key, to_jsonb(t) as row from {live} t) l
full join (select {key} as key, to_jsonb(t) as row from {rebuilt} t) r using (key)
where l.row is distinct from r.row
order by coalesce(l.key, r.key)
limit {limit}
