"""Moments from PostgreSQL as it sends them: microseconds since 2000, which need no datetime on the way to a leaf."""

from typing import Any

from psycopg import Cursor, ServerCursor
from psycopg.types.numeric import Int8BinaryLoader


def give_microseconds(cursor: Cursor[Any] | ServerCursor[Any]) -> None:
    """Has a cursor that reads in binary give `timestamptz` as an integer."""
    cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
