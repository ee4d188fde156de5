"""Options that several commands have."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def in_a_folder(path: Path | None) -> Path | None:
    """Checked before anything is asked for: a render that cannot be saved would be paid for all the same."""
    if path is not None and not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder {path.absolute().parent} does not exist")
    return path


Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Url = Annotated[
    str | None,
    typer.Option("--url", help="Base URL of the server, ending in /v1. Else BICKFORD_BASE_URL, else the one run here."),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="POSITION|TIME",
        help="As it was then, folded from the ledger on this machine: a position, or a moment in ISO 8601.",
    ),
]
Tenant = Annotated[str, typer.Option(help="Facts of this tenant.")]
Limit = Annotated[int, typer.Option(min=1, max=100, help="Most rows to show.")]
After = Annotated[str | None, typer.Option(help="Begin behind the row with this id.")]
Wait = Annotated[bool, typer.Option("--wait", help="Follow the render to its end.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Wait, then save the video in this file.", dir_okay=False, callback=in_a_folder),
]
IdempotencyKey = Annotated[
    str | None, typer.Option(help="Repeating the command with the same key does not render twice.")
]


def parse_moment(text: str) -> datetime:
    """A moment in ISO 8601; without a time zone it is UTC. Raises typer.BadParameter."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"not a date and time like 2026-11-20T12:00:00+01:00: {text!r}") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
