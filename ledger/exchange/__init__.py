"""Facts leaving the ledger and coming back: export files, byte for byte.

`cloudevents` and `parquet` are the two formats, `exporting` and `importing` move facts out and in, `reading` opens an
export again and checks every row of it. What an export means is in docs/guides/exchange.md.
"""
