select has_schema_privilege('ledger', 'usage') and has_table_privilege('ledger.events', 'select')
   and coalesce(has_function_privilege(to_regprocedure('ledger.append(ledger.fact[], ledger.head[])'), 'execute'), false)
