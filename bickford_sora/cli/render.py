"""`bickford-sora render`."""

from pathlib import Path
from typing import Annotated

import typer

from bickford_sora.cli.batching import BatchJob, run_batch
from bickford_sora.cli.options import IdempotencyKey, Json, Out, Url, Wait
from bickford_sora.cli.quoting import quoted, show_quote
from bickford_sora.cli.talking import finish, server


def render(
    prompt: Annotated[str | None, typer.Argument(help="What the video is to show.", metavar="PROMPT")] = None,
    *,
    batch: Annotated[
        Path | None,
        typer.Option(help="Many requests instead: a .jsonl or .csv file.", exists=True, dir_okay=False, readable=True),
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option(help="Of a batch: wait, and save its videos in this folder.", file_okay=False)
    ] = None,
    model: Annotated[str | None, typer.Option(help="For example sora-2. Else the server's default.")] = None,
    seconds: Annotated[str | None, typer.Option(help="Length, for example 4. Else the server's default.")] = None,
    size: Annotated[str | None, typer.Option(help="Pixels, for example 1280x720. Else the server's default.")] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="First frame: an image of exactly that size.", exists=True, dir_okay=False, readable=True),
    ] = None,
    quote: Annotated[
        bool, typer.Option("--quote", help="Say what it would cost and whether it would be taken. Asks for nothing.")
    ] = False,
    purpose: Annotated[str | None, typer.Option(help="draft or final: what the policy goes by.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="For policy and reports; may be repeated.")] = None,
    requester: Annotated[str | None, typer.Option(help="On whose behalf, where the API key may say so.")] = None,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = False,
    out: Out = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Ask a running server for a video, or for many.

    With --batch, --out is the file the outcome of every line is written to. The same command again goes on.
    """
    if (prompt is None) == (batch is None):
        raise typer.BadParameter("give a PROMPT or a file with --batch")
    if quote and (batch is not None or wait or out is not None):
        raise typer.BadParameter("--quote is of one PROMPT, and makes nothing to wait for")
    with server(url) as client:
        if batch is not None:
            job = BatchJob(batch, idempotency_key, wait=wait, results=out, folder=out_dir)
            if not run_batch(client, job, as_json=as_json):
                raise typer.Exit(1)
            return
        assert prompt is not None  # noqa: S101 - one of the two is there
        declared = {"purpose": purpose, "tags": ",".join(tag) if tag else None, "requester": requester}
        if quote:
            wish = {"prompt": prompt, "model": model, "seconds": seconds, "size": size, **declared}
            show_quote(quoted(client, wish, reference), as_json=as_json)
            return
        video = client.create_sora_video_job(
            prompt,
            model=model,
            seconds=seconds,
            size=size,
            input_reference=reference,
            extra_body=declared,
            idempotency_key=idempotency_key,
        )
        finish(client, video, wait=wait, out=out, as_json=as_json)
