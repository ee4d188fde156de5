insert into work.announced (name, position) values (%(name)s, %(position)s) on conflict (name) do nothing
