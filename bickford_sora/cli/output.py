"""Answers of commands: JSON for programs, aligned columns for people, plain lines where a terminal is missing."""

import json
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

GAP = "  "
"""Between two columns."""
PACE_S = 0.5
"""How long something goes on before its pace is told, in seconds."""
INDENT = "    "
"""Before what a row goes on with."""


class Progressing(Protocol):
    """Told of progress."""

    def __call__(self, done: int, total: int, word: str = "") -> None:
        """So much of the total is done; `word` says what is being done."""


def print_json(document: object) -> None:
    """One JSON document on one line of standard output. Moments and ids become text."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=_exact_text) + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns on a terminal; elsewhere lines with tabs, without the names of the columns.

    Nothing is cut: ids are there to be copied. Where the terminal is too narrow, a row goes on in an indented line.
    """
    console = Console()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(printable(as_text(value)) for value in row))
        return
    shown = [columns, *([printable(_as_short_text(value)) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = _lines(widths, console.width)
    for number, cells in enumerate(shown):
        for line in _laid_out(cells, widths, lines, console.width):
            # as Text: what came from outside is never read as markup
            console.print(Text(line, style="" if number else "bold"), soft_wrap=True)


def _lines(widths: Sequence[int], room: int) -> list[list[int]]:
    """Which columns stand in one line, by their numbers."""
    lines: list[list[int]] = [[]]
    used = 0
    for number, width in enumerate(widths):
        if lines[-1] and used + width > room:
            lines.append([])
            used = len(INDENT)
        lines[-1].append(number)
        used += width + len(GAP)
    return lines


def _laid_out(cells: Sequence[str], widths: Sequence[int], lines: Sequence[Sequence[int]], room: int) -> Iterator[str]:
    first, *more = [GAP.join(cells[number].ljust(widths[number]) for number in line).rstrip() for line in lines]
    yield first
    yield from textwrap.wrap(
        GAP.join(more),
        room,
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values, one a line, without those that are None."""
    for name, value in fields.items():
        if value is not None:
            print(f"{name:<22} {printable(as_text(value))}")


def note(text: str) -> None:
    """Something worth knowing that is no part of the answer: on standard error."""
    print(text, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """The text without what could steer a terminal: prompts and renderers' words come from outside."""
    return "".join(character if character.isprintable() else " " for character in text)


@contextmanager
def progress_shown(what: str, *, unit: str = "%") -> Iterator[Progressing]:
    """Gives what to tell of progress: a live bar, or plain lines where it changed and there is no terminal.

    Both go to standard error, so that standard output holds the answer alone.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _changes_as_lines(what, unit)
        return
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    ]
    if unit != "%":
        columns += [_Rate(), TimeRemainingColumn()]
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(what, total=None)

        def move(done: int, total: int, word: str = "") -> None:
            bars.update(task, completed=done, total=total, description=escape(printable(f"{what} {word}")))

        yield move


class _Rate(ProgressColumn):
    """How fast it goes, once that can be told: rich's own column fails until then, and no bar moves any more."""

    def render(self, task: Task) -> Text:
        """The rate as text; empty before two steps were told."""
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:,.0f}/s", style="progress.percentage")


def _changes_as_lines(what: str, unit: str) -> Progressing:
    last = counted = ""
    began_s = time.monotonic()

    def say(done: int, total: int, word: str = "") -> None:
        nonlocal last, counted, began_s
        if word != counted:  # something else is counted from here on, at a pace of its own
            counted, began_s = word, time.monotonic()
        pace = _pace(done, total, time.monotonic() - began_s)
        amount = f"{done} %" if unit == "%" else f"{done} of {total} {unit}{pace}"
        line = printable(" ".join(filter(None, (what, word, amount))))
        if line != last:
            note(line)
        last = line

    return say


def _pace(done: int, total: int, took_s: float) -> str:
    """How fast it goes and how long it will take, once that can be told."""
    if not 0 < done < total or took_s < PACE_S:
        return ""
    per_s = done / took_s
    return f", {per_s:,.0f}/s, {(total - done) / per_s:.0f} s left"


def moment(seconds: int | None) -> str | None:
    """Seconds since 1970 as a date and time (UTC)."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _exact_text(value: Any) -> str:
    """Moments to the microsecond, so that they can be asked `--as-of`."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else as_text(value)


def _as_short_text(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{value.microsecond // 1000:03}Z"
    return as_text(value)


def as_text(value: Any) -> str:
    """A value as it is shown: moments in UTC, nothing for None."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    return "" if value is None else str(value)
