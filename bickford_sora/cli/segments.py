"""`bickford-sora segments`: closed segments, whose payloads are in files."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import note, print_fields, print_json, print_table, progress_shown
from bickford_sora.cli.proof_problems import FOUND, proof_statuses
from bickford_sora.composition.books import Books, segments_folder
from ledger.errors import LedgerError
from ledger.segments.checking import check_segment
from ledger.segments.closing import close_segment
from ledger.segments.table import Segment, read_segments

segments = typer.Typer(help="Move payloads of old facts into files, and look after these.", no_args_is_help=True)


@segments.command()
def close(
    *,
    until: Annotated[int, typer.Option(min=1, help="The last position of the segment.", metavar="POSITION")],
    as_json: Json = False,
) -> None:
    """Close the positions behind the last segment: payloads of what ended move to a file that was checked before."""
    with proof_statuses(), books() as opened, progress_shown("close", unit="positions") as progress:
        checkpoint = opened.proving.sequencer.take()
        with opened.pool.connection() as connection:
            closed = close_segment(
                connection,
                segments_folder(opened.settings),
                until=until,
                tree=opened.proving.tree,
                checkpoint=checkpoint,
                verifiers=opened.proving.signing.keys().every_verifier,
                on_progress=progress,
            )
    told = {**_told(closed.segment), "payloads_moved": closed.moved}
    if as_json:
        print_json(told)
        return
    print_fields(told)
    note("Copy the files of this segment to where your backups are: what was moved is in them alone.")


@segments.command("list")
def list_(*, as_json: Json = False) -> None:
    """List closed segments."""
    with books() as opened:
        found = _segments(opened)
    if as_json:
        print_json({"segments": [_told(each) for each in found]})
        return
    columns = ("positions", "file", "bytes", "closed at")
    print_table(columns, [(f"{each.first} to {each.last}", each.file, each.bytes, each.closed_at) for each in found])


@segments.command()
def check(*, as_json: Json = False) -> None:
    """Read the files of closed segments whole, and hold them to what was signed. Exit status 19 when one is not it."""
    with books() as opened:
        folder = segments_folder(opened.settings)
        found = [(each, _problem(opened, each, folder)) for each in _segments(opened)]
    if as_json:
        print_json({"segments": [{**_told(each), "problem": problem} for each, problem in found]})
    else:
        rows = [(f"{each.first} to {each.last}", each.file, problem or "as it was closed") for each, problem in found]
        print_table(("positions", "file", ""), rows)
    if any(problem for _, problem in found):
        raise typer.Exit(FOUND["payload_unreadable"])


def _problem(opened: Books, segment: Segment, folder: Path) -> str | None:
    """What is wrong with a segment's file, None when nothing is."""
    verifiers = opened.proving.signing.keys().every_verifier
    try:
        check_segment(segment, folder, tree=opened.proving.tree, verifiers=verifiers)
    except LedgerError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return None


def _segments(opened: Books) -> list[Segment]:
    with opened.pool.connection() as connection:
        return [*read_segments(connection)]


def _told(segment: Segment) -> dict[str, Any]:
    return {**asdict(segment), "sha256": segment.sha256.hex()}
