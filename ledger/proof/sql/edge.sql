select ledger_id, size, partial from ledger.tree_edge
