-- A prompt of twelve words for each render.
insert into search.texts (position, tenant, requester, subject, words)
select position, tenant, requester, video_id, to_tsvector('simple', (
    select string_agg('word' || (hashint8(position * 31 + n) & 2147483647) %% %(words)s, ' ') from generate_series(1, 12) n))
from projection_videos.videos
where position between %(after)s * 10 + 1 and %(until)s * 10
