"""The wrapped keys of what is exported: a file of its own, beside the export, that may be kept elsewhere or destroyed.

One key a line, as JSON. They open nothing without the master key of the ledger they come from. A key that was
destroyed is in the bundle as a name alone, so that nobody makes it again.
"""

import base64
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Self

from psycopg import Connection
from psycopg.rows import TupleRow
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ledger.envelope import Moment
from ledger.exchange.errors import ExportDamaged, ImportRefused, in_words
from ledger.exchange.selection import Selection, select_rows
from ledger.keys import Keys
from ledger.payloads import ReadPayload, unread
from ledger.sql import query

LINE_BYTES_MAX = 4_096
READ_ROWS = 2_000
_DAMAGED = "its `wrapped` was changed: this key does not open, and others do with the same master key"
_NAME = re.compile(rb"s1\.([A-Za-z0-9_:@-]{1,128})/([A-Za-z0-9_:@-]{1,128})\.")


class WrappedKey(BaseModel):
    """One row of `ledger.keys`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=257)]
    wrapped: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$")] | None
    """Base64; None when the key was destroyed."""
    created_at: Moment
    destroyed_at: Moment | None

    @model_validator(mode="after")
    def _destroyed_or_not(self) -> Self:
        if (self.wrapped is None) != (self.destroyed_at is not None):
            raise ValueError("a key has its bytes until it is destroyed")
        return self

    @field_validator("wrapped")
    @classmethod
    def _is_base64(cls, value: str | None) -> str | None:
        if value is not None:
            base64.b64decode(value, validate=True)  # its error is a ValueError
        return value

    @property
    def wrapped_bytes(self) -> bytes | None:
        """The wrapped key; None when it was destroyed."""
        return None if self.wrapped is None else base64.b64decode(self.wrapped)


def key_names(payload: bytes) -> set[str]:
    """The names of the keys that texts in a payload are sealed with, and of those above them."""
    return {
        name
        for requester, subject in _NAME.findall(payload)
        for name in (requester.decode(), f"{requester.decode()}/{subject.decode()}")
    }


def names_in(
    connection: Connection[TupleRow], selection: Selection, *, last: int, payloads: ReadPayload = unread
) -> set[str]:
    """The names of the keys of all texts in an export, which is one for each subject in it."""
    names: set[str] = set()
    for row in select_rows(connection, selection, last=last, payloads=payloads):
        names |= key_names(row.state)
    return names


def export_keys(connection: Connection[TupleRow], path: Path, names: Collection[str] | None) -> int:
    """Writes the keys of these names, None: all of them, for their owner alone to read. Returns how many there are.

    Raises FileExistsError: nothing is overwritten.
    """
    written = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, connection.transaction(), connection.cursor("keys") as cursor:
        connection.execute(query("read_for_long"))
        cursor.itersize = READ_ROWS
        cursor.execute(query("all_keys"), {"names": None if names is None else sorted(names)}, binary=True)
        for name, wrapped, created_at, destroyed_at in cursor:
            encoded = None if wrapped is None else base64.b64encode(wrapped).decode()
            key = WrappedKey(name=name, wrapped=encoded, created_at=created_at, destroyed_at=destroyed_at)
            file.write(key.model_dump_json().encode() + b"\n")
            written += 1
    return written


def import_keys(connection: Connection[TupleRow], path: Path, keys: Keys) -> None:
    """Stores the keys of a bundle; a name that is there keeps what it has.

    Raises ImportRefused where the master key of `keys` opens none of them, ExportDamaged, and that where it opens
    others; both name the line. After an error the caller rolls back.
    """
    checked = _Checked(keys)
    with path.open("rb") as file, connection.cursor() as cursor:
        number = 0
        while line := file.readline(LINE_BYTES_MAX):
            number += 1
            place = f"line {number} of {path.name}"
            key = _key(line, place)
            checked.add(key, place)
            cursor.execute(query("import_key"), (key.name, key.wrapped_bytes, key.created_at, key.destroyed_at))
    checked.finish()


class _Checked:
    """Whether keys of a bundle open. One that does not is damaged where others do; else they are of another ledger."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._requesters: dict[str, bytes] = {}
        self._unopened: str | None = None
        """Where the first requester's key is that does not open."""

    def add(self, key: WrappedKey, place: str) -> None:
        """Raises ExportDamaged for a key that its requester's does not open. A requester's comes before those below."""
        owner, is_below, _ = key.name.partition("/")
        wrapped, requester = key.wrapped_bytes, self._requesters.get(owner)
        if wrapped is None:
            return
        if not is_below:
            if self._keys.unwraps(key.name, wrapped):
                self._requesters[key.name] = wrapped
            else:
                self._unopened = self._unopened or place
        elif requester is not None and not self._keys.unwraps(key.name, wrapped, requester):
            raise ExportDamaged(place, _DAMAGED)

    def finish(self) -> None:
        """Raises ExportDamaged or ImportRefused for a requester's key that the master key does not open."""
        if self._unopened is None:
            return
        if self._requesters:
            raise ExportDamaged(self._unopened, _DAMAGED)
        raise ImportRefused(
            f"{self._unopened}: the master key here does not open this key, nor any other. Put the one of the ledger "
            "that they come from in its place, and import again"
        )


def _key(line: bytes, place: str) -> WrappedKey:
    if not line.endswith(b"\n"):
        raise ExportDamaged(place, "the line is cut")
    try:
        return WrappedKey.model_validate_json(line)
    except ValidationError as error:
        raise ExportDamaged(place, in_words(error)) from None
