"""Wrapped keys in PostgreSQL, beside the ledger. Keeps the contract of `ledger.keys.KeyStore`."""

from ledger.errors import Erased
from ledger.recorder import PostgresRecorder
from ledger.sql import query


class PostgresKeyStore:
    """The table `ledger.keys`."""

    def __init__(self, recorder: PostgresRecorder) -> None:
        self._recorder = recorder

    def get(self, name: str) -> bytes | None:
        """The wrapped key of this name, None when there is none or it was destroyed."""
        with self._recorder.reading() as connection:
            row = connection.execute(query("key_get"), (name,), prepare=True).fetchone()
        return row[0] if row else None

    def add(self, name: str, wrapped: bytes) -> bytes:
        """Stores a wrapped key unless the name has one; raises Erased when it was destroyed."""
        with self._recorder.reading() as connection:
            connection.execute(query("key_add"), (name, wrapped), prepare=True)
        stored = self.get(name)
        if stored is None:
            raise Erased(f"the key {name} was destroyed")
        return stored

    def destroy(self, name: str) -> None:
        """Removes a key for good."""
        with self._recorder.reading() as connection:
            connection.execute(query("key_destroy"), (name,))
