select root from ledger.checkpoints where size = %s
