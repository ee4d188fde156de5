"""`bickford-sora projections`: how the read models stand, what they could not read, and whether they are true."""

from dataclasses import asdict, astuple, fields
from typing import Annotated

import typer

from bickford_sora.cli.looking import books
from bickford_sora.cli.options import Json
from bickford_sora.cli.output import note, print_json, print_table, progress_shown
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.cli.replay import Names, checked
from bickford_sora.composition.books import PROJECTIONS, lags
from projections import search
from projections.positions import Parked
from projections.projector import Projector
from projections.rebuild import Rebuild

COLUMNS = ("name", "version", "position", "lag_events", "lag_s", "parked", "skipped", "gaps", "state")

projections = typer.Typer(help="Look after the read models.")
parked = typer.Typer(help="Streams that read models could not read.", no_args_is_help=True)
projections.add_typer(parked, name="parked")


@projections.callback(invoke_without_command=True)
def show(context: typer.Context, *, as_json: Json = False) -> None:
    """Show how far each read model is, and in what state."""
    if context.invoked_subcommand is not None:
        return
    versions = {search.NAME: search.VERSION, **{each.name: each.version for each in PROJECTIONS}}
    with books() as opened:
        found = lags(opened)
    told = [{**asdict(each), "lag_s": round(each.lag_s, 1), "state": each.state(versions[each.name])} for each in found]
    if as_json:
        print_json({"head": found[0].head, "projections": told})
        return
    print_table(COLUMNS, [[each[name] for name in COLUMNS] for each in told])


@projections.command()
def check(names: Names = None, *, as_json: Json = False) -> None:
    """Rebuild read models beside the live ones, and name every row that differs. Exit status 1 when one does."""
    with books() as opened, progress_shown("check", unit="events") as progress:
        found = Rebuild(opened.ledger, opened.pool, PROJECTIONS).check(*checked(names), on_progress=progress)
    if as_json:
        print_json({"differences": [asdict(each) for each in found]})
    elif found:
        columns = ("projection", "table", "key", "kind", "columns")
        print_table(columns, [(*astuple(each)[:-1], " ".join(each.columns)) for each in found])
    if found:
        note("The ledger says otherwise. `bickford-sora replay NAME` makes the rows again.")
        raise typer.Exit(1)
    note("Every row is what the ledger makes of it.")


@parked.command("list")
def list_(*, as_json: Json = False) -> None:
    """List parked streams: from which position on their events are missing in the rows, and why."""
    with books() as opened:
        found = opened.projector.parked()
    if as_json:
        print_json({"parked": [asdict(each) for each in found]})
        return
    print_table(tuple(each.name for each in fields(Parked)), [astuple(each) for each in found])


@parked.command()
def retry(
    stream: Annotated[
        str | None, typer.Argument(help="One stream, skipped or not. Else all that are not skipped.", metavar="STREAM")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Try parked streams again, as after an upgrade. Exit status 1 when some stay parked."""
    with books() as opened:
        if stream is not None:
            _check_parked(opened.projector, stream)
        opened.projector.retry_parked(stream)
        still = opened.projector.parked()
    left = [each for each in still if each.stream == stream or (stream is None and each.skipped_at is None)]
    if as_json:
        print_json({"parked": [asdict(each) for each in left]})
    else:
        for each in left:
            print(f"{each.stream} stays parked in {each.name}: {each.error_code}")
    if left:
        raise typer.Exit(1)


@parked.command()
def skip(
    stream: Annotated[str, typer.Argument(help="The stream, as `projections parked list` shows it.", metavar="STREAM")],
    *,
    as_json: Json = False,
) -> None:
    """Leave a parked stream's rows as they are, until it is retried or its read models are rebuilt."""
    with books() as opened:
        _check_parked(opened.projector, stream)
        count = opened.projector.skip(stream)
    if as_json:
        print_json({"stream": stream, "projections": count})
    else:
        print(f"{stream} is left as it is in {count} read models")


def _check_parked(projector: Projector, stream: str) -> None:
    if stream not in {each.stream for each in projector.parked()}:
        raise CommandRefused(f"{stream} is not parked. See `bickford-sora projections parked list`.", code="not_parked")
