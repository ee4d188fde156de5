"""What happened: facts, their order and their integrity. Imports nothing of ours.

Private to the distribution `bickford-sora`; public names are imported from `bickford_sora`.
"""

DISTRIBUTION = "bickford-sora"
