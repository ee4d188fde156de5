"""Making it happen: each worker reads the ledger, acts on a renderer or on storage, and appends what came of it.

A worker holds no state of its own. Whatever dies, the next one reads the same facts and decides the same; recovery
runs the same functions as the normal path.
"""
