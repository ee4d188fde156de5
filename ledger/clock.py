"""Where time comes from. Everything that decides takes a clock as an argument; only the edge uses the system's."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present moment as an aware datetime in UTC."""


def system_clock() -> datetime:
    """The machine's wall clock in UTC: the one place that reads it."""
    return datetime.now(UTC)  # noqa: TID251 - this is the edge the ban points to
