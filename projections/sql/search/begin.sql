insert into search.progress (version, position) values (%(version)s, 0)
on conflict (id) do nothing
