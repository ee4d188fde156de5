select has_schema_privilege('ledger', 'usage') and has_table_privilege('ledger.events', 'select') and (
    select bool_and(has_function_privilege(p.oid, 'execute'))
    from pg_proc p
    where p.pronamespace = to_regnamespace('ledger') and p.proname = 'append')
