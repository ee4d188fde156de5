"""`bickford-sora unknown`: renders of which nobody knows what became of their job, and what an operator decides."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bickford_sora.cli.options import After, Json, Limit, Url
from bickford_sora.cli.output import moment, note, print_fields, print_json, print_table
from bickford_sora.cli.talking import server

unknown = typer.Typer(help="Decide about unknown outcomes and lost jobs of a running server.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="Id of the video.", metavar="VIDEO")]
Reason = Annotated[str, typer.Option(help="Why; kept sealed with the render.", metavar="TEXT")]
_PLACE = "/unknown"
_TOLD = ("id", "doubt", "status", "project", "model", "renderer", "replica", "attempt", "job_id", "code", "rule")


@unknown.command("list")
def list_(
    *,
    limit: Limit = 20,
    after: After = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List what waits for a decision, the oldest first."""
    with server(url) as client:
        page: dict[str, Any] = client.ask("GET", _PLACE, params={"limit": limit, "after": after})
    if as_json:
        print_json(page)
        return
    rows = ((*(each[name] for name in _TOLD), moment(each["submitted_at"])) for each in page["data"])
    print_table((*_TOLD, "submitted"), rows)
    if page["has_more"]:
        note(f"There are more: --after {page['last_id']}")


@unknown.command()
def adopt(
    video_id: Id,
    job_id: Annotated[str, typer.Argument(help="The renderer's own id of its job.", metavar="JOB")],
    *,
    reason: Reason,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Take a job of the renderer as the render's."""
    _decide("adopt", video_id, {"job_id": job_id, "reason": reason}, url, as_json=as_json)


@unknown.command()
def resubmit(video_id: Id, *, reason: Reason, as_json: Json = False, url: Url = None) -> None:
    """Submit a render again. The job before, if there is one, is booked as if it were billed."""
    _decide("resubmit", video_id, {"reason": reason}, url, as_json=as_json)


@unknown.command()
def abandon(video_id: Id, *, reason: Reason, as_json: Json = False, url: Url = None) -> None:
    """Give a render up. It fails, and what may have been billed is booked."""
    _decide("abandon", video_id, {"reason": reason}, url, as_json=as_json)


def _decide(what: str, video_id: str, asked: dict[str, Any], url: str | None, *, as_json: bool) -> None:
    with server(url) as client:
        render: dict[str, Any] = client.ask("POST", f"{_PLACE}/{quote(video_id, safe='')}/{what}", json=asked)
    if as_json:
        print_json(render)
    else:
        print_fields({name: render[name] for name in (*_TOLD, "jobs_written_off")})
