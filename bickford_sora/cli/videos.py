"""`bickford-sora videos`: what is on a running server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

import typer

from bickford_sora.cli.lineage_tree import tree
from bickford_sora.cli.looking import check_now, past_books, unknown_then
from bickford_sora.cli.options import After, AsOf, IdempotencyKey, Json, Limit, Out, PastTenant, Url, Wait, in_a_folder
from bickford_sora.cli.output import moment, note, print_json, print_table, printable, progress_shown
from bickford_sora.cli.talking import finish, server, show
from bickford_sora.client.models import SoraVideo, SoraVideoPage
from bickford_sora.composition.books import TENANT
from bickford_sora.families import family
from bickford_sora.http.lineages import VideoLineage, told_lineage
from bickford_sora.http.video_object import View, video_objects
from bickford_sora.pasts import Past
from bickford_sora.unsealing import ERASED
from ledger import streams
from ledger.keys import Keys
from ledger.render import Render

videos = typer.Typer(help="Work with the videos of a running server.", no_args_is_help=True)

VideoId = Annotated[str, typer.Argument(help="Id of the video.", metavar="ID")]
_SUFFIXES = {"video": ".mp4", "thumbnail": ".webp", "spritesheet": ".jpg"}


@videos.command("list")
def list_(
    *,
    limit: Limit = 20,
    order: Annotated[Literal["asc", "desc"], typer.Option(help="desc: newest first.")] = "desc",
    after: After = None,
    as_of: AsOf = None,
    tenant: PastTenant = None,
    as_json: Json = False,
    url: Url = None,
) -> None:
    """List videos."""
    if as_of is not None:
        page = _past_page(as_of, url, tenant or TENANT, limit=limit, order=order, after=after)
    else:
        check_now(tenant)
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
def show_(
    video_id: VideoId, *, as_of: AsOf = None, tenant: PastTenant = None, as_json: Json = False, url: Url = None
) -> None:
    """Show one video."""
    if as_of is not None:
        with past_books(as_of, url) as (opened, past):
            show(_shown([_then(past, tenant or TENANT, video_id)], opened.keys)[0], as_json=as_json)
        return
    check_now(tenant)
    with server(url) as client:
        show(client.retrieve_sora_video_job(video_id), as_json=as_json)


@videos.command()
def lineage(
    video_id: VideoId, *, as_of: AsOf = None, tenant: PastTenant = None, as_json: Json = False, url: Url = None
) -> None:
    """Show what a video was made from, what was made from it, and what each step changed."""
    if as_of is not None:
        found = _past_lineage(video_id, as_of, url, tenant or TENANT)
    else:
        check_now(tenant)
        found = _lineage(video_id, url)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for line in tree(found):
        print(printable(line))
    if found.has_more:
        note("There are more than are shown.")


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


def _lineage(video_id: str, url: str | None) -> VideoLineage:
    with server(url) as client:
        return VideoLineage.model_validate(client.ask("GET", f"/videos/{quote(video_id, safe='')}/lineage"))


def _past_lineage(video_id: str, as_of: str, url: str | None, tenant: str) -> VideoLineage:
    with past_books(as_of, url) as (opened, past):
        found = _then(past, tenant, video_id)
        return told_lineage(family(found, past.of_tenant(tenant), opened.keys))


def _then(past: Past, tenant: str, video_id: str) -> Render:
    """The render as it was. Raises CommandRefused where there was none."""
    found = past.render(tenant, video_id) if streams.is_video_id(video_id) else None
    if found is None:
        raise unknown_then(past)
    return found


def _past_page(
    as_of: str, url: str | None, tenant: str, *, limit: int, order: Literal["asc", "desc"], after: str | None
) -> SoraVideoPage:
    with past_books(as_of, url) as (opened, past), progress_shown("list", unit="events") as progress:
        if after is not None and not streams.is_video_id(after):
            raise unknown_then(past)
        page = past.page(tenant, None, after, limit, order, on_progress=progress)
        data = _shown(page.renders, opened.keys)
    last_id = data[-1].id if data else None
    return SoraVideoPage(
        data=tuple(data), has_more=page.has_more, first_id=data[0].id if data else None, last_id=last_id
    )


def _shown(renders: Sequence[Render], keys: Keys) -> list[SoraVideo]:
    """As a server would show them; what was erased is said so."""
    found = video_objects([View.of_render(each) for each in renders], keys, None)
    return [SoraVideo.model_validate({**each.model_dump(), "prompt": each.prompt or ERASED}) for each in found]
