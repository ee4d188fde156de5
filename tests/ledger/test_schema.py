from importlib.resources import files

import psycopg

from bickford_sora.database.migrations import migrate

CATALOG = """
select 'column', c.relname || '.' || a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, pg_get_expr(d.adbin, d.adrelid))
from pg_attribute a
join pg_class c on c.oid = a.attrelid and c.relnamespace = 'ledger'::regnamespace and c.relkind in ('r', 'c')
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attnum > 0 and not a.attisdropped and c.relname <> 'migrations'
union all
select 'constraint', conname, pg_get_constraintdef(oid)
from pg_constraint
where connamespace = 'ledger'::regnamespace and conrelid <> coalesce(to_regclass('ledger.migrations'), 0)
union all
select 'index', c.relname, pg_get_indexdef(c.oid)
from pg_class c join pg_index i on i.indexrelid = c.oid
where c.relnamespace = 'ledger'::regnamespace and i.indrelid <> coalesce(to_regclass('ledger.migrations'), 0)
union all
select 'trigger', tgname, pg_get_triggerdef(t.oid)
from pg_trigger t join pg_class c on c.oid = t.tgrelid
where c.relnamespace = 'ledger'::regnamespace and not tgisinternal
union all
select 'function', proname, pg_get_functiondef(oid) from pg_proc where pronamespace = 'ledger'::regnamespace
order by 1, 2, 3
"""


def test_the_schema_equals_the_sum_of_its_migrations(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(files("ledger").joinpath("schema.sql").read_bytes())
        written = connection.execute(CATALOG).fetchall()
        connection.execute("drop schema ledger cascade")
    migrate(database_url, files("ledger.migrations"), schema="ledger")
    with psycopg.connect(database_url) as connection:
        migrated = connection.execute(CATALOG).fetchall()
    assert {kind for kind, _, _ in written} == {"column", "constraint", "index", "trigger", "function"}
    assert written == migrated
