"""What a check found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem", "skipped"]
"""`problem`: it will not serve as it should. `warning`: it serves, and somebody should know. `skipped`: not seen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. Names no secret."""

    check: str
    """The check's name; one check may find several things."""
    state: State
    found: str
    advice: str | None = None
    """What to do, where there is something to do."""


def ok(check: str, found: str) -> Finding:
    """In order."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It serves, and somebody should know."""
    return Finding(check, "warning", found, advice)


def problem(check: str, found: str, advice: str) -> Finding:
    """It will not serve as it should."""
    return Finding(check, "problem", found, advice)


def skipped(check: str, found: str) -> Finding:
    """Not looked at, and why."""
    return Finding(check, "skipped", found)
