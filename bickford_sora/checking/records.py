"""A recorded fact as the check sees it: the row's columns, and the payload's fields as plain JSON."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson


class Record(NamedTuple):
    """One row of the ledger. `fields` are as stored, in whichever schema: only names that never changed are read."""

    position: int
    stream: str
    version: int
    type: str
    recorded_at: datetime
    fields: dict[str, Any]
    schema: int = 1
    """In which the fields are stored; 1 where they are not read."""

    @property
    def category(self) -> str:
        """The first part of the stream's id."""
        return self.stream.partition(":")[0]

    @property
    def subject(self) -> str:
        """The last part of the stream's id: of a render the hex digits of its video's."""
        return self.stream.rpartition(":")[2]


History = Callable[[str], Iterable[Record]]
"""Every record of one stream, by version."""


def parts_of(payload: bytes) -> tuple[dict[str, Any], int]:
    """The fields in a stored payload, and their schema. Raises ValueError for what is none."""
    stored = orjson.loads(payload)
    fields, schema = (stored.get("f"), stored.get("v")) if isinstance(stored, dict) else (None, None)
    if not isinstance(fields, dict) or type(schema) is not int:
        raise ValueError("a payload is {f: fields, v: schema}")
    return fields, schema


def hex_of(public_id: str) -> str:
    """The hex digits in a video's or character's public id."""
    return public_id.rpartition("_")[2]


def moment(text: str | None) -> datetime | None:
    """A stored moment."""
    if text is None:
        return None
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
