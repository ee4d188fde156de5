"""Taking a finished video into our storage, before the renderer's copy expires."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from bickford_sora.assets.errors import (
    AssetError,
    AssetTooLarge,
    MediaFault,
    MediaInspectionTimeout,
    MediaInvalid,
)
from bickford_sora.assets.media import ImageFacts, VideoFacts
from bickford_sora.decisions import news, retention
from bickford_sora.decisions.fields import OUTPUTS_MAX
from bickford_sora.references import asset_subject
from bickford_sora.renderers.errors import AssetExpired, JobGone, NotReady, ReadFailed, RendererError
from bickford_sora.renderers.port import Renderer, Variant
from bickford_sora.workers.submit import UNCONFIGURED_WAIT_S
from bickford_sora.workers.workshop import Task, Workshop
from ledger.events import Asset, RenderAttemptFailed, RenderResubmitted
from ledger.render import Job, Phase, Render

READ_BYTES = 1024 * 1024
FILE_FAULTS = frozenset(
    {
        "renderer_no_answer",
        "renderer_answer_too_large",
        "renderer_asset_missing",
        "renderer_asset_elsewhere",
        AssetTooLarge.code,
        MediaInspectionTimeout.code,
        *(fault.value for fault in MediaFault),
    }
)
"""Codes of what is wrong with the file as it came; counted, since it will hardly get better. Everything else says
nothing about it (a renderer that is away or refuses, a full disk of ours) and is waited for."""
SPOOL_FULL_WAIT_S = 10.0
"""Pause while there is no space to download to, in seconds."""
ROOM_LOOK_BYTES = 8 * 1024 * 1024
"""After so much was written, the disk's free space is looked at again."""
UNDER_WAY_FREE_PART = 0.5
"""The part of `spool_free_bytes_min` below which also a download is given up that has begun."""
DOUBLINGS_MAX = 6
"""How often the pause between two downloads doubles: the renderer keeps the file for about an hour."""

log = structlog.get_logger(__name__)


class _SpoolFull(Exception):  # noqa: N818 - the name states the cause
    """Less space is free than is to stay free. What was downloaded so far is removed, and downloaded again."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was checked, on its way into storage."""

    variant: Variant
    path: Path
    facts: VideoFacts | ImageFacts
    output: int = 0
    made_by: Literal["renderer", "bickford"] = "renderer"


@dataclass(frozen=True, slots=True)
class Store:
    """Downloads, checks and keeps the files of completed renders."""

    shop: Workshop

    def __call__(self, task: Task) -> datetime:
        """Stores video, thumbnail and spritesheet, or records why not."""
        render = self.shop.render(task)
        if render.phase is not Phase.COMPLETED or render.job is None:
            return self.shop.again()
        renderer = self.shop.fleet.at(render.job.renderer, render.job.credential, render.job.replica)
        if renderer is None:
            log.warning("renderer_not_configured", renderer=render.job.renderer)
            self._watch(task)
            return self.shop.after(UNCONFIGURED_WAIT_S)
        if not self._has_room():
            return self._wait_for_room(task, self.shop.after(SPOOL_FULL_WAIT_S))
        try:
            assets = self._files(render, render.job, renderer)
        except _SpoolFull:
            # Its own files are gone again: there is room for those that download beside it, which go on. The pause
            # doubles, so that what was given up does not take it from them.
            return self._wait_for_room(task, self.shop.backoff(min(task.attempt, DOUBLINGS_MAX), SPOOL_FULL_WAIT_S))
        except (AssetExpired, JobGone) as error:
            code, message = error.code, self.shop.sealed(render, "render.asset_lost.message", error.message)
            recovery = self.shop.recovery(render)
            self.shop.decide(task, lambda r: news.file_gone(r, code, message, recovery))
        except (ReadFailed, NotReady, AssetError) as error:
            return self._again(task, render, error)
        else:
            # The files are in storage under their hash. A crash before the append: they are fetched, found to be
            # there already, and recorded.
            expires_at = retention.ends_at(self.shop.now(), self.shop.limits.asset_retention_s)
            self._drop_unrecorded(self.shop.decide(task, lambda r: news.stored(r, assets, expires_at)), assets)
        return self.shop.again()

    def _has_room(self, part: float = 1.0) -> bool:
        """Whether this part of what is to stay free is free."""
        return shutil.disk_usage(self.shop.spool).free >= part * self.shop.limits.spool_free_bytes_min

    def _wait_for_room(self, task: Task, until: datetime) -> datetime:
        log.warning("store_waits", reason="spool_full")
        self._watch(task)
        return until

    def _while_there_is_room(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks. Raises _SpoolFull: several downloads at a time fill a disk that had room for each of them.

        One that has begun may use a part of what is to stay free, or the last one would be given up again and again.
        """
        unlooked = ROOM_LOOK_BYTES
        for chunk in chunks:
            unlooked += len(chunk)
            if unlooked >= ROOM_LOOK_BYTES:
                if not self._has_room(UNDER_WAY_FREE_PART):
                    raise _SpoolFull
                unlooked = 0
            yield chunk

    def _drop_unrecorded(self, render: Render, assets: tuple[Asset, ...]) -> None:
        """The render may have been deleted, or stored by somebody else, during the download: no copy stays behind."""
        recorded = {asset.storage_uri for asset in render.assets}
        for uri in {asset.storage_uri for asset in assets} - recorded:
            self.shop.assets.delete(uri)

    def _watch(self, task: Task) -> None:
        limit = self.shop.limits.render_deadline_s
        self.shop.decide(task, lambda r: news.too_long_in_storing(r, self.shop.now(), render_deadline_s=limit))

    def _files(self, render: Render, job: Job, renderer: Renderer) -> tuple[Asset, ...]:
        """The files of a job in our storage: none is put there before all of them are good."""
        with tempfile.TemporaryDirectory(dir=self.shop.spool) as name:
            folder = Path(name)
            first = self._video(job, renderer, 0, folder)
            fetched = [
                first,
                self._picture(job, renderer, "thumbnail", first.path),
                self._picture(job, renderer, "spritesheet", first.path),
                *(self._video(job, renderer, output, folder) for output in range(1, _outputs(render, job, renderer))),
            ]
            return tuple(self._kept(render, each) for each in fetched)

    def _download(self, renderer: Renderer, job_id: str, variant: Variant, target: Path, output: int = 0) -> None:
        left = self.shop.limits.asset_bytes_max
        with renderer.content(job_id, variant, output) as content, target.open("wb") as file:
            for chunk in self._while_there_is_room(content.chunks):
                left -= len(chunk)
                if left < 0:
                    raise AssetTooLarge(bytes_max=self.shop.limits.asset_bytes_max)
                file.write(chunk)

    def _video(self, job: Job, renderer: Renderer, output: int, folder: Path) -> Fetched:
        path = folder / f"video-{output}"
        self._download(renderer, job.job_id, "video", path, output)
        return Fetched("video", path, self.shop.inspector.inspect_video(path), output)

    def _picture(self, job: Job, renderer: Renderer, variant: Variant, video: Path) -> Fetched:
        """The renderer's picture of the first output, or one made from it where the renderer has none of use."""
        path = video.with_name(variant)
        if variant in renderer.capabilities.variants:
            try:
                self._download(renderer, job.job_id, variant, path)
                return Fetched(variant, path, self.shop.inspector.inspect_image(path))
            except (RendererError, AssetTooLarge, MediaInvalid, MediaInspectionTimeout) as error:
                log.info("picture_made_here", variant=variant, code=error.code)
        inspector = self.shop.inspector
        make = inspector.make_thumbnail if variant == "thumbnail" else inspector.make_spritesheet
        path.write_bytes(make(video).content)
        return Fetched(variant, path, inspector.inspect_image(path), made_by="bickford")

    def _kept(self, render: Render, fetched: Fetched) -> Asset:
        facts = fetched.facts
        stored = self.shop.assets.put(
            asset_subject(render.intent.video_id),
            _chunks(fetched.path),  # what was fetched is kept, whatever room is left: to fetch it again takes more
            bytes_max=self.shop.limits.asset_bytes_max,
        )
        return Asset(
            variant=fetched.variant,
            output=fetched.output,
            storage_uri=stored.storage_uri,
            sha256=stored.sha256,
            bytes=stored.bytes,
            media_type=facts.media_type,
            width=facts.width,
            height=facts.height,
            made_by=fetched.made_by,
            has_c2pa=facts.has_c2pa,
            **_of_video(facts),
        )

    def _again(self, task: Task, render: Render, error: RendererError | AssetError) -> datetime:
        """Records the trouble. A file that is bad too often, or cannot be had for too long, counts as lost."""
        failed_before = self._failed_downloads(task)
        log.warning("store_failed", code=error.code, failed_before=failed_before)
        asked = error.retry_after_s if isinstance(error, RendererError) else None
        retry_at = self.shop.backoff(min(task.attempt, DOUBLINGS_MAX), asked)
        if isinstance(error, RendererError):
            fact = self.shop.trouble(render, "store", error, retry_at)
        else:
            fact = RenderAttemptFailed(step="store", code=error.code, retry_at=retry_at)
        if error.code in FILE_FAULTS:
            limit, recovery = self.shop.limits.store_attempts_max, self.shop.recovery(render)
            self.shop.decide(
                task, lambda r: news.download_failed(r, fact, recovery, failed_before=failed_before, attempts_max=limit)
            )
        else:
            self.shop.decide(task, lambda r: news.trouble(r, fact))
            self._watch(task)
        return retry_at

    def _failed_downloads(self, task: Task) -> int:
        """How often this job's file itself was bad. From the ledger: claims of a task also count kills and waits."""
        failed = 0
        for event in self.shop.recording.ledger.history(task.stream):
            fact = event.fact
            if isinstance(fact, RenderResubmitted):
                failed = 0  # that was another job's
            elif isinstance(fact, RenderAttemptFailed) and fact.step == "store" and fact.code in FILE_FAULTS:
                failed += 1
        return failed


def _outputs(render: Render, job: Job, renderer: Renderer) -> int:
    """How many videos there are to fetch: as many as the renderer says, and bills, else as many as were asked."""
    asked = render.intent.fields.get("n", 1)
    if not isinstance(asked, int) or asked <= 1:
        return 1
    return min(renderer.status(job.job_id).outputs or asked, OUTPUTS_MAX)


def _of_video(facts: VideoFacts | ImageFacts) -> dict[str, Any]:
    """What an asset says of a video only."""
    if isinstance(facts, ImageFacts):
        return {}
    return {
        "duration_ms": facts.duration_ms,
        "frames": facts.frame_count,
        "video_codec": facts.video_codec,
        "audio_codec": facts.audio_codec,
        "has_audio": facts.has_audio,
    }


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            yield chunk
