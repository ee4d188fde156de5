"""Closed segments: ranges of the ledger whose payloads lie in an export file, with their SHA-256 in their place.

`table` is what the database knows of them, `files` reads one, `reading` finds the payload of a position in any,
`closing` moves payloads out, `checking` holds a file to what was recorded and signed. docs/adr/0027-closed-segments.md.
"""
