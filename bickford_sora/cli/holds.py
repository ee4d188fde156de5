"""`bickford-sora holds`: legal holds, which keep what they cover."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bickford_sora.cli.options import Json, Url
from bickford_sora.cli.output import moment, print_fields, print_json, print_table
from bickford_sora.cli.talking import server

holds = typer.Typer(help="Work with the legal holds of a running server.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Why; kept sealed in the ledger.", metavar="TEXT")]
_PLACE = "/holds"


@holds.command()
def place(
    *,
    reason: Reason,
    render: Annotated[str | None, typer.Option(help="Keep this video.", metavar="ID")] = None,
    requester: Annotated[str | None, typer.Option(help="Keep all of this requester, by its opaque id.")] = None,
    project: Annotated[str | None, typer.Option(help="Keep all of this project.")] = None,
    tenant: Annotated[bool, typer.Option("--tenant", help="Keep everything.")] = False,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Place a legal hold: nothing it covers is deleted, expired, purged or erased."""
    named = {"render": render, "requester": requester, "project": project}
    given = [(scope, subject) for scope, subject in named.items() if subject is not None]
    if len(given) + tenant != 1:
        raise typer.BadParameter("give one of --render, --requester, --project and --tenant")
    scope, subject = given[0] if given else ("tenant", None)
    asked: dict[str, Any] = {"scope": scope, "reason": reason} | ({} if subject is None else {"subject": subject})
    with server(url) as client:
        _show(client.ask("POST", _PLACE, json=asked), as_json=as_json)


@holds.command()
def lift(
    hold_id: Annotated[str, typer.Argument(help="Id of the hold.", metavar="ID")],
    *,
    reason: Reason,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Lift a legal hold, and show what it was."""
    with server(url) as client:
        lifted = client.ask("POST", f"{_PLACE}/{quote(hold_id, safe='')}/lift", json={"reason": reason})
    _show(lifted, as_json=as_json)


@holds.command("list")
def list_(*, as_json: Json = False, url: Url = None) -> None:
    """List the legal holds in force."""
    with server(url) as client:
        answer: dict[str, Any] = client.ask("GET", _PLACE)
    if as_json:
        print_json(answer)
        return
    columns = ("id", "scope", "subject", "placed_at", "placed_with", "reason")
    rows = ({**each, "placed_at": moment(each["placed_at"])} for each in answer["data"])
    print_table(columns, ([row[name] for name in columns] for row in rows))


def _show(hold: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(hold)
    else:
        print_fields({**hold, "object": None, "placed_at": moment(hold["placed_at"])})
