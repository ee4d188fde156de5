"""`bickford-sora watch`."""

from typing import Annotated

import typer
from pydantic import JsonValue

from bickford_sora.cli.options import Json, Url
from bickford_sora.cli.output import print_json, print_table, progress_shown
from bickford_sora.cli.talking import server, show
from bickford_sora.client.errors import SoraVideoFailed

_SHOWN = ("position", "occurred_at", "type", "video_id", "actor", "renderer", "code")


def watch(
    video_id: Annotated[str | None, typer.Argument(help="Id of the video. Else: every fact.", metavar="[ID]")] = None,
    *,
    after: Annotated[int | None, typer.Option(min=0, help="Facts behind this position first.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Follow a video to its end, or every fact as it is recorded, without polling."""
    with server(url) as client:
        if video_id is None:
            client.watch_ledger(_say_as_json if as_json else _say, after=after)
            return
        with progress_shown(video_id) as progress:
            video = client.watch_sora_video(
                video_id, on_progress=lambda seen: progress(seen.progress, 100, seen.status)
            )
    show(video, as_json=as_json)
    if video.status != "completed":
        raise SoraVideoFailed(video)


def _say(fact: dict[str, JsonValue]) -> None:
    print_table(_SHOWN, [tuple(fact.get(name) or "" for name in _SHOWN)])


def _say_as_json(fact: dict[str, JsonValue]) -> None:
    print_json(fact)
