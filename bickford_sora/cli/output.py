"""Answers of commands: JSON for programs, aligned columns for people, plain lines where a terminal is missing."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text


class Progressing(Protocol):
    """Told of progress."""

    def __call__(self, done: int, total: int, word: str = "") -> None:
        """So much of the total is done; `word` says what is being done."""


def print_json(document: object) -> None:
    """One JSON document on one line of standard output. Moments and ids become text."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=_as_text) + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns on a terminal; elsewhere lines with tabs, without the names of the columns.

    Nothing is cut or folded: ids are there to be copied.
    """
    shown = [[printable(_as_text(value)) for value in row] for row in rows]
    console = Console()
    if not console.is_terminal:
        for row in shown:
            print("\t".join(row))
        return
    widths = [max(map(len, column)) for column in zip(columns, *shown, strict=True)]
    console.print(Text(_aligned(columns, widths), style="bold"), soft_wrap=True)
    for row in shown:
        # as Text: what came from outside is never read as markup
        console.print(Text(_aligned(row, widths)), soft_wrap=True)


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values, one a line, without those that are None."""
    for name, value in fields.items():
        if value is not None:
            print(f"{name:<22} {printable(_as_text(value))}")


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
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        task = bars.add_task(what, total=None)

        def move(done: int, total: int, word: str = "") -> None:
            bars.update(task, completed=done, total=total, description=escape(printable(f"{what} {word}")))

        yield move


def _changes_as_lines(what: str, unit: str) -> Progressing:
    last = ""

    def say(done: int, total: int, word: str = "") -> None:
        nonlocal last
        amount = f"{done} %" if unit == "%" else f"{done} of {total} {unit}"
        line = printable(" ".join(filter(None, (what, word, amount))))
        if line != last:
            note(line)
        last = line

    return say


def moment(seconds: int | None) -> str | None:
    """Seconds since 1970 as a date and time (UTC)."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _as_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    return "" if value is None else str(value)
