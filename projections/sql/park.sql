insert into projections.parked (name, stream, position, error_code)
values (%(name)s, %(stream)s, %(position)s, %(error_code)s)
on conflict (name, stream) do update set error_code = excluded.error_code
