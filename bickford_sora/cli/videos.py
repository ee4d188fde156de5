"""`bickford-sora videos`: what is on a running server."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bickford_sora.cli.options import IdempotencyKey, Json, Out, Url, Wait, in_a_folder
from bickford_sora.cli.output import moment, note, print_json, print_table
from bickford_sora.cli.talking import finish, server, show

videos = typer.Typer(help="Work with the videos of a running server.", no_args_is_help=True)

VideoId = Annotated[str, typer.Argument(help="Id of the video.", metavar="ID")]
_SUFFIXES = {"video": ".mp4", "thumbnail": ".webp", "spritesheet": ".jpg"}


@videos.command("list")
def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most videos to show.")] = 20,
    order: Annotated[Literal["asc", "desc"], typer.Option(help="desc: newest first.")] = "desc",
    after: Annotated[str | None, typer.Option(help="Begin behind the video with this id.")] = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List videos."""
    with server(url) as client:
        page = client.list_sora_videos(limit=limit, order=order, after=after)
    if as_json:
        print_json(page.model_dump(mode="json"))
        return
    columns = ("id", "status", "%", "model", "s", "size", "created")
    print_table(
        columns,
        (
            (each.id, each.status, each.progress, each.model, each.seconds, each.size, moment(each.created_at))
            for each in page.data
        ),
    )
    if not page.data:
        note("No videos here. Ask for one with 'bickford-sora render'.")
    if page.has_more:
        note(f"There are more: --after {page.last_id}")


@videos.command("show")
def show_(video_id: VideoId, *, as_json: Json = False, url: Url = None) -> None:
    """Show one video."""
    with server(url) as client:
        show(client.retrieve_sora_video_job(video_id), as_json=as_json)


@videos.command()
def download(
    video_id: VideoId,
    *,
    variant: Annotated[Literal["video", "thumbnail", "spritesheet"], typer.Option(help="Which file.")] = "video",
    out: Annotated[
        Path | None,
        typer.Option(help="Where to. Else a file named by the id, here.", dir_okay=False, callback=in_a_folder),
    ] = None,
    url: Url = None,
) -> None:
    """Download a video's file, thumbnail or spritesheet."""
    with server(url) as client:
        target = out or Path(f"{Path(video_id).name}{_SUFFIXES[variant]}")
        print(client.download_sora_content(video_id, variant=variant, to=target))


@videos.command()
def remix(
    video_id: VideoId,
    prompt: Annotated[str, typer.Argument(help="The one change to make.", metavar="PROMPT")],
    *,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = False,
    out: Out = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Make a new video from a finished one, with one change."""
    with server(url) as client:
        video = client.remix_sora_video(video_id, prompt, idempotency_key=idempotency_key)
        finish(client, video, wait=wait, out=out, as_json=as_json)


@videos.command()
def retry(
    video_id: VideoId,
    *,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = False,
    out: Out = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """Ask again for a video that failed."""
    with server(url) as client:
        video = client.retry_sora_video(video_id, idempotency_key=idempotency_key)
        finish(client, video, wait=wait, out=out, as_json=as_json)


@videos.command()
def delete(video_id: VideoId, *, as_json: Json = False, url: Url = None) -> None:
    """Delete a video and its files; its facts stay."""
    with server(url) as client:
        client.delete_sora_video(video_id)
    if as_json:
        print_json({"id": video_id, "object": "video.deleted", "deleted": True})
    else:
        print(f"deleted {video_id}")
