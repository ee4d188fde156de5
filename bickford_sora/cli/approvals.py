"""`bickford-sora approvals`: renders of a running server that wait until somebody else has looked at them."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bickford_sora.cli.options import After, Json, Limit, Url
from bickford_sora.cli.output import moment, note, print_fields, print_json, print_table
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.cli.talking import server

approvals = typer.Typer(help="Approve or deny renders that a running server holds.", no_args_is_help=True)

Ids = Annotated[list[str], typer.Argument(help="Ids of approvals.", metavar="ID...")]
Reason = Annotated[str, typer.Option(help="Why. It is kept with the render.")]
_PLACE = "/approvals"


@approvals.command("list")
def list_(
    *,
    limit: Limit = 20,
    after: After = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List what waits for an approver, the oldest first."""
    with server(url) as client:
        page: dict[str, Any] = client.ask("GET", _PLACE, params={"limit": limit, "after": after})
    if as_json:
        print_json(page)
        return
    told = ("id", "state", "project", "requester", "model", "seconds", "size", "rule")
    rows = (
        (
            *(each[name] for name in told),
            moment(each["requested_at"]),
            moment(each["expires_at"]),
            each["prompt"],
        )
        for each in page["data"]
    )
    print_table((*told, "requested", "until", "prompt"), rows)
    if page["has_more"]:
        note(f"There are more: --after {page['last_id']}")


@approvals.command()
def approve(ids: Ids, *, reason: Reason, as_json: Json = False, url: Url = None) -> None:
    """Let held renders happen."""
    _answer("approve", ids, reason, url, as_json=as_json)


@approvals.command()
def deny(ids: Ids, *, reason: Reason, as_json: Json = False, url: Url = None) -> None:
    """Deny held renders. What was set aside for them is free again."""
    _answer("deny", ids, reason, url, as_json=as_json)


@approvals.command()
def start(
    approval_id: Annotated[str, typer.Argument(help="Id of the approval.", metavar="ID")],
    *,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Start a render that was refused until it was approved."""
    with server(url) as client:
        video: dict[str, Any] = client.ask("POST", f"{_PLACE}/{quote(approval_id, safe='')}/start")
    if as_json:
        print_json(video)
    else:
        print_fields({name: video[name] for name in ("id", "status", "model", "seconds", "size")})


@approvals.command()
def delegate(
    key_id: Annotated[str, typer.Argument(help="Public id of the API key that is to approve.", metavar="KEY")],
    *,
    hours: Annotated[int, typer.Option(min=1, max=744, help="For how many hours.")] = 24,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Let another key of the project approve in place of the one in use."""
    place = f"/api_keys/{quote(key_id, safe='')}/delegate"
    with server(url) as client:
        key: dict[str, Any] = client.ask("POST", place, json={"expires_in_s": hours * 3600})
    if as_json:
        print_json(key)
    else:
        print(f"{key_id} approves until {moment(key['approver_until'])}")


def _answer(decision: str, ids: list[str], reason: str, url: str | None, *, as_json: bool) -> None:
    asked: dict[str, Any] = {"approvals": ids, "decision": decision, "reason": reason}
    with server(url) as client:
        answer: dict[str, Any] = client.ask("POST", _PLACE, json=asked)
    outcomes = answer["data"]
    if as_json:
        print_json(answer)
    else:
        rows = ((each["id"], _said(each)) for each in outcomes)
        print_table(("id", "became"), rows)
    failed = [each for each in outcomes if each["error"]]
    if failed:
        code = failed[0]["error"]["code"]
        raise CommandRefused(f"{len(failed)} of {len(outcomes)} could not be answered.", code=code)


def _said(outcome: dict[str, Any]) -> str:
    return str(outcome["error"]["message"] if outcome["error"] else outcome["approval"]["state"])
