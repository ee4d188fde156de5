"""`bickford-sora replay`."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import print_json, progress_shown
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.composition.books import PROJECTIONS, Books
from projections import search
from projections.rebuild import Rebuild, Rebuilt

NAMES = tuple(each.name for each in PROJECTIONS)


Names = Annotated[list[str] | None, typer.Argument(help="Names of read models. Else all.", metavar="NAME")]


def checked(names: list[str] | None) -> list[str]:
    """The names. Raises typer.BadParameter for one that no read model has."""
    for name in names or ():
        if name not in NAMES:
            raise typer.BadParameter(f"no read model is named {name!r}; there are {', '.join(NAMES)}")
    return names or []


def replay(names: Names = None, *, as_json: Json = False) -> None:
    """Rebuild read models from the ledger, beside the live ones; the index of words (search) in place."""
    chosen = checked([each for each in names or () if each != search.NAME])
    began = time.monotonic()
    events = 0
    with books() as opened, progress_shown("replay", unit="events") as progress:

        def seen(done: int, total: int) -> None:
            nonlocal events
            events = total
            progress(done, total)

        words = _index(opened, names)
        rebuilt = []
        if chosen or not names:
            rebuilt += Rebuild(opened.ledger, opened.pool, PROJECTIONS).rebuild(*chosen, on_progress=seen)
        if words is not None:
            words.clear()  # and not beside the live one: until it has caught up, words are asked for in vain
            rebuilt.append(Rebuilt(search.NAME, search.VERSION, words.catch_up(seen)))
    took_s = round(time.monotonic() - began, 3)
    if as_json:
        print_json({"rebuilt": [asdict(each) for each in rebuilt], "events": events, "took_s": took_s})
        return
    for each in rebuilt:
        print(f"{each.name} version {each.version} is live at position {each.position}")
    print(f"{events} events replayed in {took_s} s")


def _index(opened: Books, names: list[str] | None) -> search.Search | None:
    """The index of words, when it is to be made anew. Raises CommandRefused when it is named and there is none."""
    if names and search.NAME not in names:
        return None
    if names and opened.search is None:
        raise CommandRefused("Words are not indexed here: BICKFORD_FULL_TEXT_SEARCH is off.", code="search_off")
    return opened.search
