-- The index of words knows no projects. Joined, so that it is begun with whichever is less: the project or the matches.
select t.subject
from projection_videos.videos v
join search.texts t on t.tenant = v.tenant and t.subject = v.video_id
where v.tenant = %(tenant)s and v.project = %(project)s and t.words @@ websearch_to_tsquery('simple', %(words)s)
order by t.position desc
limit %(limit)s
