"""Taking a finished video into our storage, before the renderer's copy expires."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from bickford_sora.assets.errors import AssetError, AssetTooLarge, MediaError, MediaInvalid
from bickford_sora.decisions import news
from bickford_sora.references import asset_subject
from bickford_sora.renderers.errors import AssetExpired, JobGone, NotReady, ReadFailed, RendererError
from bickford_sora.renderers.port import Renderer, Variant
from bickford_sora.workers.submit import UNCONFIGURED_WAIT_S
from bickford_sora.workers.workshop import Task, Workshop
from ledger.events import Asset, RenderAttemptFailed
from ledger.lifecycle import Job, Phase, Render

READ_BYTES = 1024 * 1024

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
            self.shop.decide(task, lambda r: news.stored(r, assets))
        return self.shop.again()

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
        except (RendererError, MediaInvalid) as error:
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
        """Records the trouble; after the last attempt the file counts as lost."""
        log.warning("store_failed", code=error.code, attempt=task.attempt)
        if task.attempt + 1 >= self.shop.limits.store_attempts_max and not _is_ours(error):
            self.shop.decide(task, lambda r: news.asset_lost(r, error.code))
            return self.shop.again()
        asked = error.retry_after_s if isinstance(error, RendererError) else None
        retry_at = self.shop.backoff(task.attempt, asked)
        if isinstance(error, RendererError):
            fact = self.shop.trouble(render, "store", error, retry_at)
        else:
            fact = RenderAttemptFailed(step="store", code=error.code, retry_at=retry_at)
        self.shop.decide(task, lambda r: news.trouble(r, fact))
        return retry_at


def _is_ours(error: RendererError | AssetError) -> bool:
    """Whether the trouble is with our storage or our checker rather than with the file."""
    if isinstance(error, RendererError | AssetTooLarge | MediaInvalid):
        return False
    return not isinstance(error, MediaError) or error.code == "media_inspector_unavailable"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            yield chunk
