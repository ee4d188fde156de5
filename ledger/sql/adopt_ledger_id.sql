update ledger.epochs set ledger_id = %s where epoch = (select max(epoch) from ledger.epochs)
