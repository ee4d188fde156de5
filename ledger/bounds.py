"""What every recorder checks of a decision before it is written, so that all recorders refuse the same ones.

The database checks again what it can; a decision refused here never travels with others.
"""

import re
from collections.abc import Mapping, Sequence

from ledger.envelope import ACTOR_CHARS_MAX, PAYLOAD_BYTES_MAX
from ledger.errors import Refused
from ledger.mapper import Row
from ledger.streams import STREAM_CHARS_MAX, TENANT_CHARS_MAX

STREAM_CHARS_MIN = 3
VERSION_MAX = 2**31 - 1
"""Largest version of a stream; the column is a 32-bit integer."""

_TRACE = re.compile(r"[0-9a-f]{32}")


def check_decision(rows: Sequence[Row], heads: Mapping[str, int]) -> None:
    """Raises Refused unless the ledger can hold this decision and its versions follow its heads without a gap."""
    if not rows:
        raise Refused("a decision has at least one event; one that brings no news is not appended")
    for stream, head in heads.items():
        _check_stream(stream)
        if not 0 <= head < VERSION_MAX:
            raise Refused(f"a head is 0 to {VERSION_MAX - 1}, not {head}")
    _check_versions(rows, heads)
    for row in rows:
        _check_row(row)


def _check_versions(rows: Sequence[Row], heads: Mapping[str, int]) -> None:
    last = dict(heads)
    for row in rows:
        stream = str(row.originator_id)
        if stream not in last:
            raise Refused("a decision names the head of every stream it writes")
        last[stream] += 1
        if row.originator_version != last[stream]:
            raise Refused(f"version {row.originator_version} where {last[stream]} comes next; versions have no gaps")


def _check_stream(stream: str) -> None:
    if not STREAM_CHARS_MIN <= len(stream) <= STREAM_CHARS_MAX:
        raise Refused(f"a stream id has {STREAM_CHARS_MIN} to {STREAM_CHARS_MAX} characters, not {len(stream)}")
    _check_text(stream)


def _check_row(row: Row) -> None:
    context = row.context
    if len(row.state) > PAYLOAD_BYTES_MAX:
        raise Refused(f"{row.topic} has {len(row.state)} bytes; payload_bytes_max is {PAYLOAD_BYTES_MAX}")
    if not 0 < len(context.actor) <= ACTOR_CHARS_MAX:
        raise Refused(f"an actor has 1 to {ACTOR_CHARS_MAX} characters")
    if not 0 < len(context.tenant) <= TENANT_CHARS_MAX:
        raise Refused(f"a tenant has 1 to {TENANT_CHARS_MAX} characters")
    if context.trace is not None and _TRACE.fullmatch(context.trace) is None:
        raise Refused("a trace id is 32 hex digits")
    if context.occurred_at.utcoffset() is None:
        raise Refused("occurred_at carries its time zone")
    _check_text(context.actor)
    _check_text(context.tenant)


def _check_text(text: str) -> None:
    """PostgreSQL's text holds neither a NUL nor half of a surrogate pair."""
    if text.isascii():
        storable = "\0" not in text
    else:
        storable = "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
    if not storable:
        raise Refused("text in a column of the ledger has no NUL and no lone surrogate")
