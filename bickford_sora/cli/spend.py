"""`bickford-sora spend`: what was spent, by whom and for what."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from bickford_sora.cli.options import Json, Url, in_a_folder
from bickford_sora.cli.output import note, print_json, print_table
from bickford_sora.cli.talking import server

spend = typer.Typer(help="Report what a running server's renders cost.", invoke_without_command=True)

By = Annotated[
    str, typer.Option(help="day, month, model, renderer, project, key, requester, purpose or tag: what to tell it by.")
]
Since = Annotated[str | None, typer.Option(help="First day or month, as 2026-11-20 or 2026-11. Else this month.")]
Until = Annotated[str | None, typer.Option(help="Last day or month.")]
Project = Annotated[str | None, typer.Option(help="One project; else all that the key reads.")]
_PLACE = "/spend"
_MICRO = 1_000_000


@spend.callback()
def report(
    context: typer.Context,
    *,
    by: By = "day",
    since: Since = None,
    until: Until = None,
    project: Project = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Report what a running server's renders cost."""
    if context.invoked_subcommand is not None:
        return
    asked = {"by": by, "since": since, "until": until, "project": project}
    with server(url) as client:
        answer: dict[str, Any] = client.ask("GET", _PLACE, params=asked)
    if as_json:
        print_json(answer)
        return
    amounts = ("reserved", "settled", "released", "open", "adjusted")
    columns = (by, "currency", "renders", "seconds", *amounts)
    rows = (
        (
            each["name"],
            each["currency"],
            each["renders"],
            each["seconds"],
            *(_units(each[f"{name}_micro"]) for name in amounts),
        )
        for each in answer["data"]
    )
    print_table(columns, rows)
    for money in answer["forecast"] or ():
        note(f"To the end of the month, at this rate: {_units(money['amount_micro'])} {money['currency']}")


@spend.command()
def export(
    file: Annotated[
        Path, typer.Argument(help="CSV file to write.", metavar="FILE", dir_okay=False, callback=in_a_folder)
    ],
    *,
    since: Since = None,
    until: Until = None,
    project: Project = None,
    url: Url = None,
) -> None:
    """Write what was settled and corrected to a CSV file with the columns of FOCUS 1.2."""
    with server(url) as client:
        client.save(f"{_PLACE}/charges.csv", to=file, params={"since": since, "until": until, "project": project})
    print(file)


def _units(micro: int) -> str:
    return f"{Decimal(micro) / _MICRO:f}"
