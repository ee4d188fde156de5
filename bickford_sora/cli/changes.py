"""`bickford-sora changes`: changes of what governs that another admin has to agree to."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bickford_sora.cli.options import Json, Url
from bickford_sora.cli.output import moment, print_fields, print_json
from bickford_sora.cli.talking import server

changes = typer.Typer(help="Agree to what another admin of a running server wants to change.", no_args_is_help=True)

ChangeId = Annotated[str, typer.Argument(help="Id of the change.", metavar="ID")]
_PLACE = "/changes"


@changes.command()
def show(change_id: ChangeId, *, as_json: Json = False, url: Url = None) -> None:
    """Show a change that was proposed."""
    with server(url) as client:
        _show(client.ask("GET", f"{_PLACE}/{quote(change_id, safe='')}"), as_json=as_json)


@changes.command()
def approve(change_id: ChangeId, *, as_json: Json = False, url: Url = None) -> None:
    """Agree: whoever proposed it sends the same request again, and it is made."""
    _answer(change_id, "approve", url, as_json=as_json)


@changes.command()
def deny(change_id: ChangeId, *, as_json: Json = False, url: Url = None) -> None:
    """Do not agree."""
    _answer(change_id, "deny", url, as_json=as_json)


def _answer(change_id: str, decision: str, url: str | None, *, as_json: bool) -> None:
    with server(url) as client:
        answer = client.ask("POST", f"{_PLACE}/{quote(change_id, safe='')}", json={"decision": decision})
    _show(answer, as_json=as_json)


def _show(change: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(change)
        return
    moments = {name: moment(change[name]) for name in ("proposed_at", "expires_at")}
    print_fields({**{name: value for name, value in change.items() if name != "object"}, **moments})
