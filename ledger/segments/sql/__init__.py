"""The queries on closed segments, one a file."""
