"""`bickford-sora replay`."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import print_json, progress_shown
from bickford_sora.composition.books import PROJECTIONS
from projections.rebuild import Rebuild

NAMES = tuple(each.name for each in PROJECTIONS)


Names = Annotated[list[str] | None, typer.Argument(help="Names of read models. Else all.", metavar="NAME")]


def checked(names: list[str] | None) -> list[str]:
    """The names. Raises typer.BadParameter for one that no read model has."""
    for name in names or ():
        if name not in NAMES:
            raise typer.BadParameter(f"no read model is named {name!r}; there are {', '.join(NAMES)}")
    return names or []


def replay(names: Names = None, *, as_json: Json = False) -> None:
    """Rebuild read models from the ledger, beside the live ones."""
    chosen = checked(names)
    began = time.monotonic()
    events = 0
    with books() as opened, progress_shown("replay", unit="events") as progress:

        def seen(done: int, total: int) -> None:
            nonlocal events
            events = total
            progress(done, total)

        rebuilt = Rebuild(opened.ledger, opened.pool, PROJECTIONS).rebuild(*chosen, on_progress=seen)
    took_s = round(time.monotonic() - began, 3)
    if as_json:
        print_json({"rebuilt": [asdict(each) for each in rebuilt], "events": events, "took_s": took_s})
        return
    for each in rebuilt:
        print(f"{each.name} version {each.version} is live at position {each.position}")
    print(f"{events} events replayed in {took_s} s")
