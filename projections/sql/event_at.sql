select stream, version from ledger.events where position = %s
