-- A prompt of twelve words for each render.
insert into search.texts (position, tenant, requester, subject, words)
select g, 'acme', 'requester', 'video_' || g, to_tsvector('simple', (
    select string_agg('word' || (hashint8(g * 31 + n) & 2147483647) %% %(words)s, ' ') from generate_series(1, 12) n))
from generate_series(%(after)s::bigint + 1, %(until)s::bigint) g
where ((g - 1) %% 2000) / 200 = 0
