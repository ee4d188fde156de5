"""`bickford-sora erase`."""

from typing import Annotated, Any

import typer

from bickford_sora.cli.options import Json, Url
from bickford_sora.cli.output import moment, note, print_fields, print_json
from bickford_sora.cli.talking import server


def erase(
    *,
    reason: Annotated[str, typer.Option(help="Why; kept sealed in the ledger.", metavar="TEXT")],
    render: Annotated[str | None, typer.Option(help="Id of the video.", metavar="ID")] = None,
    requester: Annotated[str | None, typer.Option(help="Opaque id of the requester.", metavar="ID")] = None,
    requester_name: Annotated[
        str | None, typer.Option(help="The name it was asked for under, in place of the id.", metavar="NAME")
    ] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Erase a render, or all of a requester, for good. Asked again, it says what is left to do."""
    named = {"render": render, "requester": requester, "requester_name": requester_name}
    asked = {name: value for name, value in named.items() if value is not None}
    if len(asked) != 1:
        raise typer.BadParameter("give one of --render, --requester and --requester-name")
    with server(url) as client:
        erasure: dict[str, Any] = client.ask("POST", "/erasures", json={**asked, "reason": reason})
    if as_json:
        print_json(erasure)
        return
    print_fields({**erasure, "object": None, "erased_at": moment(erasure["erased_at"])})
    if erasure["renders_left"] or erasure["files_left"]:
        note("Nothing of it can be read any more. Workers remove the files; ask again to see how far they are.")
