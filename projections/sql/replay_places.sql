-- Where each category is cut into parts of about as many events, by a sample. Compared as the index of streams does, in
-- whatever locale the database has.
select split_part(stream, ':', 1) as category,
       percentile_disc(%(fractions)s::float8[]) within group (order by stream) as places
from ledger.events tablesample system (%(percent)s)
where position <= %(until)s
group by 1
