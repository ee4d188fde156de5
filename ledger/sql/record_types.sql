select 'ledger.fact'::regtype::oid, 'ledger.head'::regtype::oid
