"""How long a renderer asks to be left alone. Pure."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRY_AFTER_S_MAX = 3600.0
"""No renderer can put us off for longer than this at a time."""


def read_retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from 0 to RETRY_AFTER_S_MAX; None when the headers do not say.

    `retry-after-ms` goes before `retry-after`, which is in seconds or an HTTP date (RFC 9110 section 10.2.3).
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    given = headers.get("retry-after", "")
    seconds = _number(given)
    if seconds is None:
        seconds = _seconds_until(given, now)
    return None if seconds is None else _bounded(seconds)


def read_poll_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until it wants to be asked about a job again: `openai-poll-after-ms`, or as `read_retry_after_s`."""
    milliseconds = _number(headers.get("openai-poll-after-ms", ""))
    return read_retry_after_s(headers, now) if milliseconds is None else _bounded(milliseconds / 1000)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - now).total_seconds()


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), RETRY_AFTER_S_MAX)
