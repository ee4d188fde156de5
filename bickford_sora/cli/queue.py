"""`bickford-sora queue`: who waits for a renderer, at which place, and why."""

from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from bickford_sora.cli.options import Json, Url
from bickford_sora.cli.output import moment, print_json, print_table
from bickford_sora.cli.talking import server


def queue(
    video_id: Annotated[str | None, typer.Argument(help="Show this video alone.", metavar="[VIDEO_ID]")] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Most renders that are shown.")] = 100,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Show which renders wait for a renderer, at which place, and why."""
    asked = {"limit": limit} | ({} if video_id is None else {"video_id": video_id})
    with server(url) as client:
        answer: dict[str, Any] = client.ask("GET", f"/queue?{urlencode(asked)}")
    if as_json:
        print_json(answer)
        return
    print_table(
        ("renderer", "in flight", "at most", "waiting", "projects", "closed"),
        (
            (
                each["renderer"],
                each["in_flight"],
                each["in_flight_max"],
                each["waiting"],
                each["projects"],
                each["closed"],
            )
            for each in answer["renderers"]
        ),
    )
    if answer["data"]:
        print()
        print_table(
            ("renderer", "place", "video", "project", "reason", "since", "not before"),
            (
                (
                    each["renderer"],
                    each["place"],
                    each["video_id"],
                    each["project"],
                    each["reason"],
                    moment(each["created_at"]),
                    each["not_before"] and moment(each["not_before"]),
                )
                for each in answer["data"]
            ),
        )
