"""Taking a finished video into our storage, before the renderer's copy expires."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from bickford_sora.assets.errors import (
    AssetError,
    AssetTooLarge,
    MediaFault,
    MediaInspectionTimeout,
    MediaInvalid,
)
from bickford_sora.decisions import news
from bickford_sora.references import asset_subject
from bickford_sora.renderers.errors import AssetExpired, JobGone, NotReady, ReadFailed, RendererError
from bickford_sora.renderers.port import Renderer, Variant
from bickford_sora.workers.submit import UNCONFIGURED_WAIT_S
from bickford_sora.workers.workshop import Task, Workshop
from ledger.events import Asset, RenderAttemptFailed
from ledger.lifecycle import Job, Phase, Render

READ_BYTES = 1024 * 1024
FILE_FAULTS = frozenset(
    {
        "renderer_no_answer",
        "renderer_answer_too_large",
        "renderer_asset_missing",
        AssetTooLarge.code,
        MediaInspectionTimeout.code,
        *(fault.value for fault in MediaFault),
    }
)
"""Codes of what is wrong with the file as it came; counted, since it will hardly get better. Everything else says
nothing about it (a renderer that is away or refuses, a full disk of ours) and is waited for."""
DOUBLINGS_MAX = 6
"""How often the pause between two downloads doubles: the renderer keeps the file for about an hour."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Store:
    """Downloads, checks and keeps the files of completed renders."""

    shop: Workshop

    def __call__(self, task: Task) -> datetime:
        """Stores video, thumbnail and spritesheet, or records why not."""
        render = self.shop.render(task)
        if render.phase is not Phase.COMPLETED or render.job is None:
            return self.shop.again()
        renderer = self.shop.renderers.get((render.job.renderer, render.job.credential))
        if renderer is None:
            log.warning("renderer_not_configured", renderer=render.job.renderer)
            self._watch(task)
            return self.shop.after(UNCONFIGURED_WAIT_S)
        try:
            assets = self._files(render, render.job, renderer)
        except (AssetExpired, JobGone) as error:
            code, message = error.code, self.shop.sealed(render, "render.asset_lost.message", error.message)
            self.shop.decide(task, lambda r: news.asset_lost(r, code, message))
        except (ReadFailed, NotReady, AssetError) as error:
            return self._again(task, render, error)
        else:
            # The files are in storage under their hash. A crash before the append: they are fetched, found to be
            # there already, and recorded.
            self._drop_unrecorded(self.shop.decide(task, lambda r: news.stored(r, assets)), assets)
        return self.shop.again()

    def _drop_unrecorded(self, render: Render, assets: tuple[Asset, ...]) -> None:
        """The render may have been deleted, or stored by somebody else, during the download: no copy stays behind."""
        recorded = {asset.storage_uri for asset in render.assets}
        for uri in {asset.storage_uri for asset in assets} - recorded:
            self.shop.assets.delete(uri)

    def _watch(self, task: Task) -> None:
        limit = self.shop.limits.render_deadline_s
        self.shop.decide(task, lambda r: news.too_long_in_storing(r, self.shop.now(), render_deadline_s=limit))

    def _files(self, render: Render, job: Job, renderer: Renderer) -> tuple[Asset, ...]:
        with tempfile.TemporaryDirectory(dir=self.shop.spool) as folder:
            video = Path(folder, "video")
            self._download(renderer, job.job_id, "video", video)
            return (
                self._video(render, video),
                self._picture(render, job, renderer, "thumbnail", Path(folder)),
                self._picture(render, job, renderer, "spritesheet", Path(folder)),
            )

    def _download(self, renderer: Renderer, job_id: str, variant: Variant, target: Path) -> None:
        left = self.shop.limits.asset_bytes_max
        with renderer.content(job_id, variant) as content, target.open("wb") as file:
            for chunk in content.chunks:
                left -= len(chunk)
                if left < 0:
                    raise AssetTooLarge(bytes_max=self.shop.limits.asset_bytes_max)
                file.write(chunk)

    def _video(self, render: Render, path: Path) -> Asset:
        facts = self.shop.inspector.inspect_video(path)
        stored = self.shop.assets.put(
            asset_subject(render.intent.video_id), _chunks(path), bytes_max=self.shop.limits.asset_bytes_max
        )
        return Asset(
            variant="video",
            storage_uri=stored.storage_uri,
            sha256=stored.sha256,
            bytes=stored.bytes,
            media_type=facts.media_type,
            width=facts.width,
            height=facts.height,
            made_by="renderer",
            has_c2pa=facts.has_c2pa,
            duration_ms=facts.duration_ms,
            frames=facts.frame_count,
            video_codec=facts.video_codec,
            audio_codec=facts.audio_codec,
            has_audio=facts.has_audio,
        )

    def _picture(self, render: Render, job: Job, renderer: Renderer, variant: Variant, folder: Path) -> Asset:
        """The renderer's picture, or one made from the video where it has none that can be used."""
        path = folder / variant
        try:
            self._download(renderer, job.job_id, variant, path)
            facts = self.shop.inspector.inspect_image(path)
            made_by_renderer = True
        except (RendererError, AssetTooLarge, MediaInvalid, MediaInspectionTimeout) as error:
            log.info("picture_made_here", variant=variant, code=error.code)
            make = (
                self.shop.inspector.make_thumbnail if variant == "thumbnail" else self.shop.inspector.make_spritesheet
            )
            path.write_bytes(make(folder / "video").content)
            facts = self.shop.inspector.inspect_image(path)
            made_by_renderer = False
        stored = self.shop.assets.put(
            asset_subject(render.intent.video_id), _chunks(path), bytes_max=self.shop.limits.asset_bytes_max
        )
        return Asset(
            variant=variant,
            storage_uri=stored.storage_uri,
            sha256=stored.sha256,
            bytes=stored.bytes,
            media_type=facts.media_type,
            width=facts.width,
            height=facts.height,
            made_by="renderer" if made_by_renderer else "bickford",
            has_c2pa=facts.has_c2pa,
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
            limit = self.shop.limits.store_attempts_max
            self.shop.decide(
                task, lambda r: news.download_failed(r, fact, failed_before=failed_before, attempts_max=limit)
            )
        else:
            self.shop.decide(task, lambda r: news.trouble(r, fact))
            self._watch(task)
        return retry_at

    def _failed_downloads(self, task: Task) -> int:
        """How often the file itself was bad. From the ledger: claims of a task also count kills and waits."""
        facts = (event.fact for event in self.shop.recording.ledger.history(task.stream))
        return sum(
            isinstance(fact, RenderAttemptFailed) and fact.step == "store" and fact.code in FILE_FAULTS
            for fact in facts
        )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            yield chunk
