"""`bickford-sora render`."""

from pathlib import Path
from typing import Annotated

import typer

from bickford_sora.cli.options import IdempotencyKey, Json, Out, Url, Wait
from bickford_sora.cli.talking import finish, server


def render(
    prompt: Annotated[str, typer.Argument(help="What the video is to show.", metavar="PROMPT")],
    *,
    model: Annotated[str | None, typer.Option(help="For example sora-2. Else the server's default.")] = None,
    seconds: Annotated[str | None, typer.Option(help="Length, for example 4. Else the server's default.")] = None,
    size: Annotated[str | None, typer.Option(help="Pixels, for example 1280x720. Else the server's default.")] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="First frame: an image of exactly that size.", exists=True, dir_okay=False, readable=True),
    ] = None,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = False,
    out: Out = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Ask a running server for a video."""
    with server(url) as client:
        video = client.create_sora_video_job(
            prompt,
            model=model,
            seconds=seconds,
            size=size,
            input_reference=reference,
            idempotency_key=idempotency_key,
        )
        finish(client, video, wait=wait, out=out, as_json=as_json)
