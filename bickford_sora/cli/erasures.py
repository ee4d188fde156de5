"""`bickford-sora erasures`: the list of erasures that is kept apart from the database."""

from contextlib import ExitStack
from datetime import UTC
from typing import Any

import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import print_json, print_table
from bickford_sora.composition import Books, compose
from bickford_sora.erasure_list import Listed
from bickford_sora.erasures import Erasures

erasures = typer.Typer(
    help="Look after the list of erasures that is kept apart from the database.", no_args_is_help=True
)


@erasures.command("list")
def list_(*, as_json: Json = False) -> None:
    """List what was erased, after checking every line of the list."""
    with books() as opened, ExitStack() as stack:
        listed = [*_erasures(opened, stack).kept]
    if as_json:
        print_json({"object": "list", "data": [_told(each) for each in listed]})
        return
    columns = ("at", "kind", "subject", "cause", "by")
    print_table(columns, ([_told(each)[name] for name in columns] for each in listed))


@erasures.command()
def reapply(*, as_json: Json = False) -> None:
    """Erase again what a restored database has brought back. 'serve' and 'worker' do so before they begin."""
    with books() as opened, ExitStack() as stack:
        again = _erasures(opened, stack).reapply()
    if as_json:
        print_json({"object": "list", "data": [_told(each) for each in again]})
        return
    print(f"{len(again)} erased again")


def _erasures(opened: Books, stack: ExitStack) -> Erasures:
    return compose(opened, (), stack).erasures


def _told(entry: Listed) -> dict[str, Any]:
    return {
        "at": entry.at.astimezone(UTC).isoformat(timespec="seconds"),
        "kind": entry.decided.kind,
        "subject": entry.decided.subject,
        "cause": entry.decided.cause,
        "by": entry.actor,
    }
