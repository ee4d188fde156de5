"""The queries of what proves the ledger, one a file."""
