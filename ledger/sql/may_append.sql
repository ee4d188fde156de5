-- The newest form of the function, which takes the fewest arguments.
select has_schema_privilege('ledger', 'usage') and has_table_privilege('ledger.events', 'select') and coalesce((
    select has_function_privilege(p.oid, 'execute')
    from pg_proc p
    where p.pronamespace = to_regnamespace('ledger') and p.proname = 'append'
    order by p.pronargs limit 1), false)
