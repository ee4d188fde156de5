select size from ledger.pushes where target = %s
