"""`bickford-sora endpoints`: who is told of what happens to this project's renders."""

from typing import Annotated, Any, cast
from urllib.parse import quote

import typer

from bickford_sora.cli.options import After, Json, Limit, Url
from bickford_sora.cli.output import moment, note, print_fields, print_json, print_table
from bickford_sora.cli.talking import server

endpoints = typer.Typer(help="Work with the webhook endpoints of a running server.", no_args_is_help=True)

EndpointId = Annotated[str, typer.Argument(help="Id of the webhook endpoint.", metavar="ID")]
_PLACE = "/webhook_endpoints"


@endpoints.command("list")
def list_(
    *,
    limit: Limit = 20,
    after: After = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List webhook endpoints, newest first."""
    with server(url) as client:
        page: dict[str, Any] = client.ask("GET", _PLACE, params={"limit": limit, "after": after})
    if as_json:
        print_json(page)
        return
    columns = ("id", "state", "name", "url", "event types")
    rows = (
        (each["id"], each["disabled_reason"] or "enabled", each["name"], each["url"], " ".join(each["event_types"]))
        for each in page["data"]
    )
    print_table(columns, rows)
    if page["has_more"]:
        note(f"There are more: --after {page['last_id']}")


@endpoints.command()
def create(
    to: Annotated[str, typer.Argument(help="Where to send events.", metavar="URL")],
    *,
    name: Annotated[str, typer.Option(help="What to call it.")] = "webhook",
    event: Annotated[list[str] | None, typer.Option(help="An event type; may be repeated.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Create a webhook endpoint and show its signing secret, this once."""
    asked: dict[str, Any] = {"name": name, "url": to, "event_types": event or ["video.completed", "video.failed"]}
    with server(url) as client:
        made = cast("dict[str, Any]", client.ask("POST", _PLACE, json=asked))
    if as_json:
        print_json(made)
        return
    print_fields({**made, "event_types": " ".join(made["event_types"]), "created_at": moment(made["created_at"])})


@endpoints.command()
def delete(endpoint_id: EndpointId, *, as_json: Json = False, url: Url = None) -> None:
    """Delete a webhook endpoint; nothing more is sent to it."""
    with server(url) as client:
        deleted = client.ask("DELETE", f"{_PLACE}/{quote(endpoint_id, safe='')}")
    if as_json:
        print_json(deleted)
    else:
        print(f"deleted {endpoint_id}")


@endpoints.command()
def deliveries(
    endpoint_id: EndpointId,
    *,
    limit: Limit = 20,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show the newest deliveries to a webhook endpoint, and what came of them."""
    with server(url) as client:
        place = f"{_PLACE}/{quote(endpoint_id, safe='')}/deliveries"
        found: dict[str, Any] = client.ask("GET", place, params={"limit": limit})
    if as_json:
        print_json(found)
        return
    columns = ("id", "event type", "video", "status", "attempts", "answer", "again")
    names = ("id", "event_type", "video_id", "status", "attempts")
    rows = (
        (*(each[name] for name in names), each["code"] or each["status_code"], moment(each["retry_at"]))
        for each in found["data"]
    )
    print_table(columns, rows)
