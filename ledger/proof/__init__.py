"""What lets others check the ledger without trusting its owner: leaves, their tree, checkpoints, tiles and receipts.

Everything here is bytes in and bytes out, after RFC 6962 section 2 and the C2SP specifications signed-note,
tlog-checkpoint, tlog-tiles and tlog-proof; only `sequencer`, `postgres` and what reads rows know of a database.
"""
