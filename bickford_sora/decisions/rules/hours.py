"""Hours of the day, such as `22-6`: from the first to before the second, over midnight where that is smaller."""

import re
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HOURS_OF_DAY = 24
_HOURS = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")


def hours_of(text: str) -> frozenset[int]:
    """The hours a text such as `22-6` means. Raises ValueError for anything else, and for every hour or none."""
    match = _HOURS.fullmatch(text)
    if match is None:
        raise ValueError("hours are written as 9-17 or 22-6")
    first, end = int(match[1]), int(match[2])
    if first >= HOURS_OF_DAY or end > HOURS_OF_DAY:
        raise ValueError("hours go from 0 to 24")
    length = (end - first) % HOURS_OF_DAY
    if length == 0:
        raise ValueError("these hours are the whole day or nothing: leave them out")
    return frozenset((first + each) % HOURS_OF_DAY for each in range(length))


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its name, such as `Europe/Berlin`. Raises ValueError for one that is not known here."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; an example is Europe/Berlin") from None


def within(hours: frozenset[int], zone: ZoneInfo) -> Callable[[datetime], bool]:
    """Whether a moment lies in these hours, by the clocks of that zone."""
    return lambda moment: moment.astimezone(zone).hour in hours
