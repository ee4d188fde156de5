select has_table_privilege('ledger.events', 'update') or has_table_privilege('ledger.events', 'delete')
    or has_table_privilege('ledger.events', 'truncate') or has_table_privilege('ledger.events', 'trigger')
