select nspname from pg_namespace where starts_with(nspname, %s) order by nspname
