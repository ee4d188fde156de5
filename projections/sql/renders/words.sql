select subject
from search.texts
where tenant = %(tenant)s and words @@ websearch_to_tsquery('simple', %(words)s) and starts_with(subject, 'video_')
order by position desc
limit %(limit)s
