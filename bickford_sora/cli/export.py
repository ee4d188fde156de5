"""`bickford-sora export`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from psycopg import Connection
from psycopg.rows import TupleRow

from bickford_sora.cli.audited import facts_about
from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json, parse_moment
from bickford_sora.cli.output import note, print_fields, print_json, progress_shown
from bickford_sora.cli.signing import taken_checkpoint
from bickford_sora.composition.books import TENANT
from ledger.exchange.checkpoint import write_checkpoint
from ledger.exchange.errors import ExportRefused
from ledger.exchange.exporting import OnProgress, export_file, export_stream
from ledger.exchange.key_bundle import export_keys, names_in
from ledger.exchange.manifest import Format, Manifest, manifest_path
from ledger.exchange.selection import Selection, identify, select_last
from ledger.payloads import ReadPayload

_MOMENT = "2026-11-20T12:00:00Z"
_STDOUT = Path("-")


def export(
    *,
    out: Annotated[Path, typer.Option(help="The new file, a folder for it, or - for standard output.")],
    form: Annotated[Format, typer.Option("--format", help="CloudEvents 1.0 as JSON Lines, or Parquet.")] = Format.JSONL,
    first: Annotated[int, typer.Option("--from", min=1, help="The first position.")] = 1,
    last: Annotated[int | None, typer.Option("--to", help="The last position. Else the ledger's last one.")] = None,
    since: Annotated[str | None, typer.Option(help="Recorded at this moment or later.", metavar=_MOMENT)] = None,
    until: Annotated[str | None, typer.Option(help="Recorded before this moment.", metavar=_MOMENT)] = None,
    tenant: Annotated[str | None, typer.Option(help="Facts of this tenant.")] = None,
    render: Annotated[str | None, typer.Option(help="Facts about the video with this id.", metavar="ID")] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help="A type of fact; may be repeated.")] = None,
    with_keys: Annotated[
        Path | None, typer.Option(help="Write the wrapped keys of what is exported in this new file.", dir_okay=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Write facts in a file that others can read, check and import."""
    if out == _STDOUT and as_json:
        raise typer.BadParameter("standard output holds the export: leave out --json, or name a file")
    selection = Selection(
        first=first,
        last=last,
        tenant=tenant,
        types=tuple(type_ or ()),
        since=parse_moment(since) if since else None,
        before=parse_moment(until) if until else None,
    )
    with books() as opened, opened.pool.connection() as connection:
        if render is not None:
            selection = selection.at(facts_about(opened, tenant or TENANT, render))
        selection = selection.until(taken_checkpoint(opened))
        with progress_shown("export", unit="positions") as progress:
            path, manifest = _written(connection, selection, out, form, progress, payloads=opened.ledger.payloads)
        checkpoint = None if path is None else write_checkpoint(connection, path, manifest)
        keys = None if with_keys is None else _keys(connection, selection, manifest, with_keys, opened.ledger.payloads)
    _answer(path, manifest, checkpoint, f"{keys} in {with_keys}" if with_keys else None, as_json=as_json)


def _written(
    connection: Connection[TupleRow],
    selection: Selection,
    out: Path,
    form: Format,
    progress: OnProgress,
    *,
    payloads: ReadPayload,
) -> tuple[Path | None, Manifest]:
    if out == _STDOUT:
        return None, export_stream(connection, selection, sys.stdout.buffer, form, progress, payloads=payloads)
    path = out / _name(connection, selection, form) if out.is_dir() else out
    return path, export_file(connection, selection, path, form, progress, payloads=payloads)


def _name(connection: Connection[TupleRow], selection: Selection, form: Format) -> str:
    last = select_last(connection, selection)
    return f"ledger-{str(identify(connection))[:8]}-{selection.first}-{last}.{form}"


def _keys(
    connection: Connection[TupleRow], selection: Selection, manifest: Manifest, path: Path, payloads: ReadPayload
) -> int:
    names = None if manifest.is_complete else names_in(connection, selection, last=manifest.last, payloads=payloads)
    try:
        return export_keys(connection, path, names)
    except FileExistsError:
        raise ExportRefused(f"{path} is there already; the keys were not written, the export was") from None


def _answer(path: Path | None, manifest: Manifest, checkpoint: Path | None, keys: str | None, *, as_json: bool) -> None:
    if path is None:
        note(f"{manifest.events} facts, SHA-256 {manifest.file_sha256}")
        return
    told: dict[str, Any] = {
        "file": path,
        "manifest": manifest_path(path),
        "ledger_id": manifest.ledger_id,
        "facts": manifest.events,
        "positions": f"{manifest.first} to {manifest.last}",
        "sha256": manifest.file_sha256,
        "root": manifest.tree.root if manifest.tree else None,
        "checkpoint": checkpoint,
        "keys": keys,
    }
    if as_json:
        print_json(told)
    else:
        print_fields(told)
