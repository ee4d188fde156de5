insert into projections.positions (name, version, position) values (%(name)s, %(version)s, %(position)s)
on conflict (name) do update
set version = excluded.version, position = excluded.position, updated_at = clock_timestamp()
