"""What it looks like: read models that are rebuilt from the ledger and may be thrown away.

Private to the distribution `bickford-sora`; public names are imported from `bickford_sora`.
"""

DISTRIBUTION = "bickford-sora"
