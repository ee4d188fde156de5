"""`bickford-sora import`."""

from pathlib import Path
from typing import Annotated

import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import note, print_json, progress_shown
from bickford_sora.composition.books import PROJECTIONS
from ledger.exchange.importing import import_file
from ledger.exchange.manifest import checkpoint_path
from projections.announced import Announced
from projections.rebuild import Rebuild


def import_(
    file: Annotated[
        Path,
        typer.Argument(help="The export; its manifest lies beside it.", metavar="FILE", exists=True, dir_okay=False),
    ],
    *,
    keys: Annotated[
        Path | None, typer.Option(help="The wrapped keys that were exported with it.", exists=True, dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Read an export into a ledger without facts: the same bytes, positions and root."""
    with books() as opened:
        with opened.pool.connection() as connection, progress_shown("import", unit="facts") as progress:
            wrapped = None if keys is None else (keys, opened.keys)
            manifest = import_file(connection, file, progress, keys=wrapped)
        # What endpoints were told of was told by the ledger these facts come from.
        Announced(opened.pool).skip_to(manifest.last)
        with progress_shown("replay", unit="events") as progress:
            Rebuild(opened.ledger, opened.pool, PROJECTIONS).rebuild(on_progress=progress)
    root = manifest.tree.root if manifest.tree else None
    if as_json:
        print_json({"ledger_id": manifest.ledger_id, "facts": manifest.events, "root": root})
        return
    print(f"{manifest.events} facts of the ledger {manifest.ledger_id} are here, and its read models are rebuilt")
    print(f"root {root}")
    if (checkpoint := checkpoint_path(file)).exists():
        # Not taken over: whoever can change this database could change it there, too.
        note("No checkpoint was taken over: hold the ledger to the one beside the export.")
        note(f"bickford-sora verify --against {checkpoint}")
    if keys is None:
        note("No wrapped keys came with it: texts that people wrote stay sealed, and are shown as erased.")
