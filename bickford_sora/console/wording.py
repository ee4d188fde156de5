"""How values look in templates: moments, money, sizes, states."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import orjson

from bickford_sora.decisions.amounts import amount, exact_units, units
from ledger.render import Phase

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 24 * HOUR_S
KIB = 1024
NOTHING = "\N{EN DASH}"
"""Where there is no value."""

NOTICES: Mapping[str, str] = MappingProxyType(
    {
        "asked": "The render was asked for.",
        "cancelled": "The render was cancelled.",
        "deleted": "The video was deleted. Its facts stay.",
        "several": "Those renders are gone. Their facts stay.",
        "some": "Some of them could not be: they have ended meanwhile, or a legal hold keeps them.",
        "reviewed": "The review was recorded.",
        "rebuilding": "The read model is being rebuilt. The live one answers until then.",
        "resumed": "The renderer is asked again.",
        "adopted": "The job was adopted.",
        "resubmitted": "The render is submitted again.",
        "abandoned": "The render was given up.",
        "published": "The policy is in force.",
        "set": "The budget holds from the next decision on.",
        "removed": "The budget holds no longer. Its facts stay.",
        "revoked": "The key is not accepted any more.",
        "endpoint-removed": "Nothing more is sent to this endpoint.",
        "tested": "The endpoint answered. The sample is not on record.",
        "approved": "It was approved.",
        "denied": "It was denied.",
        "approved-several": "They were approved.",
        "denied-several": "They were denied.",
        "answered-some": "Some of them could not be answered: they were decided or lapsed meanwhile, or are your own.",
        "started": "The render was started.",
        "signed-out": "You are signed out.",
    }
)
"""What a page says when it was led to by an action, by the name in its address."""

STATES: Mapping[Phase, tuple[str, str]] = MappingProxyType(
    {
        Phase.INTENT: ("asked for", "waits"),
        Phase.HELD: ("needs approval", "held"),
        Phase.ALLOWED: ("waiting", "waits"),
        Phase.SUBMITTING: ("submitting", "runs"),
        Phase.UNKNOWN: ("outcome unknown", "held"),
        Phase.QUEUED: ("queued", "waits"),
        Phase.IN_PROGRESS: ("in progress", "runs"),
        Phase.LOST: ("job lost", "held"),
        Phase.COMPLETED: ("storing", "runs"),
        Phase.STORED: ("completed", "good"),
        Phase.DENIED: ("denied", "bad"),
        Phase.FAILED: ("failed", "bad"),
        Phase.ASSET_LOST: ("file lost", "bad"),
        Phase.CANCELLED: ("cancelled", "over"),
    }
)
"""Each phase in words, and the colour of it."""


def state_word(phase: Phase) -> str:
    """A phase in words."""
    return STATES[phase][0]


def state_kind(phase: Phase) -> str:
    """Which colour a phase has: waits, runs, held, good, bad or over."""
    return STATES[phase][1]


def iso(moment: datetime) -> str:
    """A moment as programs read it, in UTC, to the millisecond."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def utc(moment: datetime) -> str:
    """A moment as people read it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago it was, or how soon it will be, in its largest unit."""
    seconds = int((now - moment).total_seconds())
    told = lasting(abs(seconds))
    return f"in {told}" if seconds < 0 else f"{told} ago"


def lasting(seconds: float) -> str:
    """A length of time in its largest unit, cut off; below a minute in seconds."""
    if seconds < 1 and seconds > 0:
        return f"{seconds * 1000:.0f} ms"
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s" if float(seconds).is_integer() or seconds >= 10 else f"{seconds:.1f} s"  # noqa: PLR2004
    for unit_s, name in ((DAY_S, "d"), (HOUR_S, "h")):
        if seconds >= unit_s:
            return f"{seconds // unit_s:.0f} {name}"
    return f"{seconds // MINUTE_S:.0f} min"


def money(micro: int, currency: str | None) -> str:
    """An amount of money, cut off at two digits; a dash where there is none."""
    return f"{units(micro)} {currency}" if currency else NOTHING


def size(count: int) -> str:
    """Bytes in their largest unit."""
    if count < KIB:
        return f"{count} B"
    value, unit = count / KIB, "KiB"
    for larger in ("MiB", "GiB", "TiB"):
        if value < KIB:
            break
        value, unit = value / KIB, larger
    return f"{value:.1f} {unit}"


def short(identifier: str | None) -> str:
    """The end of an id, which tells it apart in a list; a title beside it has the whole."""
    if identifier is None:
        return NOTHING
    head, separator, tail = identifier.rpartition("_")
    return f"{head}{separator}…{tail[-8:]}" if len(tail) > 12 else identifier  # noqa: PLR2004 - a table's column


def moment(seconds: int) -> datetime:
    """The moment of Unix seconds, as the protocol's objects have them."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def pretty(value: Any) -> str:
    """JSON as people read it."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS, default=str).decode()


FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "ago": ago,
        "exactly": exact_units,
        "amount": amount,
        "iso": iso,
        "lasting": lasting,
        "moment": moment,
        "money": money,
        "pretty": pretty,
        "short": short,
        "size": size,
        "state_kind": state_kind,
        "state_word": state_word,
        "utc": utc,
    }
)
