"""One fact as one line: a CloudEvents 1.0 event in structured JSON, from which the same bytes come back.

Source: CloudEvents 1.0.2, JSON event format. A line has the attributes of `_attributes` in that order, without spaces,
those without a value left out, and the payload last. The payload stands in `data` as it is stored where reading and
writing it as JSON gives the same bytes, which is so for everything this program writes; else in `data_base64`.

CloudEvents' integers end at 2^31 - 1, the ledger's positions do not: `position` is text.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from ledger.envelope import PAYLOAD_BYTES_MAX, Context
from ledger.exchange.errors import ExportDamaged
from ledger.mapper import RecordedRow
from ledger.proof.leaves import leaf_of, moment

LINE_BYTES_MAX = PAYLOAD_BYTES_MAX * 2
"""Longest line of an export, in bytes: the largest payload in base64 with its attributes fits."""

_DATA = b',"data":'
_BASE64 = b',"data_base64":"'


def line_of(row: RecordedRow, leaf: bytes, source: str) -> bytes:
    """The line of a fact and its leaf hash, with its newline. `source` is the origin of the ledger's checkpoints."""
    return _line(_attributes(row, leaf, source), row.state)


def row_of(line: bytes, source: str, place: str) -> tuple[RecordedRow, bytes]:
    """The fact in a line that `line_of` wrote, and its leaf hash. Raises ExportDamaged for any other line."""
    if not line.endswith(b"}\n"):
        raise ExportDamaged(place, "the line is cut")
    try:
        head, payload = _split(line)
        attributes: dict[str, Any] = orjson.loads(head)
        row = _row(attributes, payload)
        leaf = leaf_of(row)
        again = _attributes(row, leaf, source)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ExportDamaged(place, f"not an event as an export writes it ({type(error).__name__})") from None
    differing = [name for name, value in again.items() if attributes.get(name) != value]
    if differing:
        raise ExportDamaged(place, _difference(differing[0], row))
    if _line(again, payload) != line:
        raise ExportDamaged(place, "not written as an export writes it")
    return row, leaf


def payload_in(line: bytes) -> bytes:
    """The payload in a line, which nothing else of is looked at. Raises ValueError."""
    return _split(line)[1]


def _line(attributes: Mapping[str, str | int | None], payload: bytes) -> bytes:
    head = orjson.dumps({name: value for name, value in attributes.items() if value is not None})[:-1]
    if _survives(payload):
        return head + _DATA + payload + b"}\n"
    return head + _BASE64 + base64.b64encode(payload) + b'"}\n'


def _attributes(row: RecordedRow, leaf: bytes, source: str) -> Mapping[str, str | int | None]:
    context = row.context
    return {
        "specversion": "1.0",
        "id": str(row.event_id),
        "source": source,
        "type": row.topic,
        "subject": str(row.originator_id),
        "time": moment(context.occurred_at),
        "datacontenttype": "application/json",
        "position": str(row.id),
        "version": row.originator_version,
        "recordedat": moment(row.recorded_at),
        "tenant": context.tenant,
        "actor": context.actor,
        "correlation": _text(context.correlation),
        "causation": _text(context.causation),
        "trace": context.trace,
        "payloadsha256": hashlib.sha256(row.state).hexdigest(),
        "leafhash": leaf.hex(),
    }


def _difference(name: str, row: RecordedRow) -> str:
    """What is said of an attribute that the rest of its line contradicts."""
    where = f"position {row.id}: "
    if name == "leafhash":
        return f"{where}its columns are not those that were recorded: the leaf hash differs"
    if name == "payloadsha256":
        return f"{where}its payload is not the one that was recorded: the SHA-256 differs"
    return f"{where}{name} is not as an export of this ledger writes it"


def _split(line: bytes) -> tuple[bytes, bytes]:
    """The attributes as a JSON object, and the payload. Quotes inside a JSON text are escaped: no text is mistaken."""
    head, found, rest = line[:-2].partition(_DATA)
    if found:
        return head + b"}", rest
    head, found, rest = line[:-2].partition(_BASE64)
    if not found or not rest.endswith(b'"'):
        raise ValueError("no payload")
    return head + b"}", base64.b64decode(rest[:-1], validate=True)


def _row(attributes: Mapping[str, Any], payload: bytes) -> RecordedRow:
    if type(attributes["version"]) is not int or not all(
        isinstance(value, str) for name, value in attributes.items() if name != "version"
    ):
        raise TypeError("an attribute of another type")
    context = Context(
        tenant=attributes["tenant"],
        actor=attributes["actor"],
        occurred_at=datetime.fromisoformat(attributes["time"]),
        correlation=_uuid(attributes.get("correlation")),
        causation=_uuid(attributes.get("causation")),
        trace=attributes.get("trace"),
    )
    return RecordedRow(
        attributes["subject"],
        attributes["version"],
        attributes["type"],
        payload,
        int(attributes["position"]),
        UUID(attributes["id"]),
        context,
        datetime.fromisoformat(attributes["recordedat"]),
    )


def _survives(payload: bytes) -> bool:
    """Whether JSON tools give these bytes back."""
    try:
        return orjson.dumps(orjson.loads(payload), option=orjson.OPT_SORT_KEYS) == payload
    except ValueError:
        return False


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
