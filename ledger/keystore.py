"""Wrapped keys in PostgreSQL, beside the ledger. Keeps the contract of `ledger.keys.KeyStore`."""

from collections.abc import Collection, Mapping

from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.keys import unwraps
from ledger.recorder import PostgresRecorder
from ledger.sql import query


class PostgresKeyStore:
    """The table `ledger.keys`."""

    def __init__(self, recorder: PostgresRecorder) -> None:
        self._recorder = recorder

    def get(self, names: Collection[str]) -> Mapping[str, bytes]:
        """The wrapped keys of these names; a name is missing when it has none or its key was destroyed."""
        with self._recorder.reading() as connection:
            return dict(connection.execute(query("keys"), (list(names),), prepare=True).fetchall())

    def add_all(self, wrapped: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Stores wrapped keys unless their names have one; a name is missing when its key was destroyed."""
        names = sorted(wrapped)  # in one order, so that of two who add the same ones neither waits for the other
        with self._recorder.reading() as connection:
            rows = connection.execute(query("key_add"), (names, [wrapped[name] for name in names]), prepare=True)
            added = dict(rows.fetchall())
        if len(added) == len(names):
            return added
        return {**added, **self.get([name for name in names if name not in added])}

    def destroy(self, name: str) -> None:
        """Removes a key, and all keys below it, for good."""
        with self._recorder.reading() as connection:
            connection.execute(query("key_destroy"), {"name": name})

    def destroyed(self, names: Collection[str]) -> frozenset[str]:
        """Those of these names whose key was destroyed."""
        with self._recorder.reading() as connection:
            found = connection.execute(query("keys_destroyed"), (list(names),)).fetchall()
        return frozenset(name for (name,) in found)

    def below(self, name: str) -> list[str]:
        """The names of all keys ever stored below this one, in order. Looks through the whole table."""
        with self._recorder.reading() as connection:
            return [each for (each,) in connection.execute(query("keys_below"), (f"{name}/",)).fetchall()]

    def some_requester(self) -> tuple[str, bytes] | None:
        """The name and wrapped key of one of the requesters, None while there are none."""
        with self._recorder.reading() as connection:
            return connection.execute(query("key_of_some_requester")).fetchone()


def any_sealed(connection: Connection[TupleRow]) -> bool:
    """Whether the ledger holds a key that was not destroyed, and so texts that can be opened."""
    return connection.execute(query("key_of_some_requester")).fetchone() is not None


def opens(connection: Connection[TupleRow], master: bytes) -> bool:
    """Whether this master key opens what the ledger holds; so does every key while nothing is sealed."""
    row = connection.execute(query("key_of_some_requester")).fetchone()
    return row is None or unwraps(master, *row)
