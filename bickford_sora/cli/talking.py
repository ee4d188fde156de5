"""What all commands share that talk to a running server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bickford_sora.cli.output import moment, note, print_fields, print_json, progress_shown
from bickford_sora.cli.problems import CommandRefused
from bickford_sora.client.connection import default_connection
from bickford_sora.client.errors import SoraVideoFailed, SoraVideoUnreachable
from bickford_sora.client.models import SoraVideo
from bickford_sora.client.synchronous import BickfordClient


@contextmanager
def server(url: str | None) -> Iterator[BickfordClient]:
    """A client of the server named, or else found. Raises CommandRefused when nobody answers there."""
    connection = default_connection(url)
    try:
        client = BickfordClient.of(connection)
    except ValueError as error:
        raise CommandRefused(f"{error}.", code="connection_invalid") from None
    try:
        with client:
            yield client
    except SoraVideoUnreachable as error:
        raise CommandRefused(
            f"{connection.base_url}: {error.message} Start a server here with 'bickford-sora serve', or with "
            "'bickford-sora serve --simulator' to try it without a renderer; or name another one with --url.",
            code=error.code,
        ) from None


def finish(client: BickfordClient, video: SoraVideo, *, wait: bool, out: Path | None, as_json: bool) -> None:
    """Follows a render to its end and saves its video, as far as that is wanted, and shows what came of it."""
    if wait or out is not None:
        video = _followed(client, video, as_json=as_json)
    if out is not None:
        client.download_sora_content(video.id, to=out)
    show(video, as_json=as_json, saved=out)


def show(video: SoraVideo, *, as_json: bool, saved: Path | None = None) -> None:
    """Prints one video."""
    if as_json:
        print_json(video.model_dump(mode="json"))
        return
    fields = video.model_dump(exclude={"object", "error"})
    fields |= {name: moment(fields[name]) for name in ("created_at", "completed_at", "expires_at", "erased_at")}
    failure = f"{video.error.code}: {video.error.message}" if video.error else None
    print_fields({**fields, "error": failure, "saved": saved})


def _followed(client: BickfordClient, video: SoraVideo, *, as_json: bool) -> SoraVideo:
    with progress_shown(video.id) as progress:
        try:
            return client.poll_sora_video_job(
                video.id, on_progress=lambda seen: progress(seen.progress, 100, seen.status)
            )
        except KeyboardInterrupt:
            note(f"The render goes on. See how it stands with 'bickford-sora videos show {video.id}'.")
            raise
        except SoraVideoFailed as failed:
            if as_json:
                show(failed.video, as_json=True)
            raise
