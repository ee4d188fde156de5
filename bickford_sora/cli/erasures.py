"""`bickford-sora erasures`: the list of erasures that is kept apart from the database."""

from datetime import UTC
from typing import Any

import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import note, print_json, print_table
from bickford_sora.composition.gateway import erasures_of
from bickford_sora.erasure_list import Listed
from bickford_sora.erasures import Erasures

erasures = typer.Typer(
    help="Look after the list of erasures that is kept apart from the database.", no_args_is_help=True
)


@erasures.command("list")
def list_(*, as_json: Json = False) -> None:
    """List what was erased, after checking every line of the list."""
    with books() as opened:
        found = erasures_of(opened)
        _note_if_none(found)
        listed = [*found.kept]
    if as_json:
        print_json({"object": "list", "data": [_told(each) for each in listed]})
        return
    columns = ("at", "kind", "subject", "cause", "by")
    print_table(columns, ([_told(each)[name] for name in columns] for each in listed))


@erasures.command()
def reapply(*, as_json: Json = False) -> None:
    """Erase again what a restore has brought back. 'serve' and 'worker' do so with the database before they begin."""
    with books() as opened:
        found = erasures_of(opened)
        _note_if_none(found)
        again, files = found.reapply(), found.remove_files_again()
    if as_json:
        print_json({"object": "list", "data": [_told(each) for each in again], "files_removed": files})
        return
    print(f"{len(again)} erased again, {files} files removed")
    if again:
        note("Files of what was erased again cannot be downloaded. Workers remove them: run 'serve' or 'worker'.")


def _note_if_none(found: Erasures) -> None:
    """Says that there is no list: a mistaken folder after a restore must not look like nothing to erase."""
    if not found.kept.path.exists():
        note(f"There is no list at {found.kept.path}: nothing was ever erased, or it was not put back.")


def _told(entry: Listed) -> dict[str, Any]:
    return {
        "at": entry.at.astimezone(UTC).isoformat(timespec="seconds"),
        "kind": entry.decided.kind,
        "subject": entry.decided.subject,
        "cause": entry.decided.cause,
        "by": entry.actor,
    }
