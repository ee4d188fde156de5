"""Removing what a deleted video left behind: the renderer's copy and ours. The facts stay."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bickford_sora.decisions import deletion, news
from bickford_sora.renderers.errors import ReadFailed
from bickford_sora.renderers.port import Renderer
from bickford_sora.workers.submit import UNCONFIGURED_WAIT_S
from bickford_sora.workers.workshop import Task, Workshop
from ledger.events import RenderPurged
from ledger.lifecycle import Job, Render


@dataclass(frozen=True, slots=True)
class Purge:
    """Purges deleted renders."""

    shop: Workshop

    def __call__(self, task: Task) -> datetime:
        """Deletes our files and the renderer's copy (which stops an unfinished job), and records it.

        Ours first: they must go also while the renderer does not answer.
        """
        render = self.shop.render(task)
        if not render.deleted or render.purged or render.submission_open:
            return self.shop.again()
        # A crash from here on: deleting our files twice is no error, and the renderer answers "gone" next time.
        uris = self._delete_ours(render)
        if self._waits_for_renderer(render):
            return self.shop.after(UNCONFIGURED_WAIT_S)
        try:
            copy = self._renderer_copy(render)
        except ReadFailed as error:
            retry_at = self.shop.backoff(task.attempt, error.retry_after_s)
            fact = self.shop.trouble(render, "purge", error, retry_at)
            self.shop.decide(task, lambda r: news.trouble(r, fact))
            return retry_at
        fact_purged = RenderPurged(renderer_copy=copy, assets_deleted=len(uris))
        self.shop.decide(task, lambda r: deletion.purged(r, fact_purged))
        return self.shop.again()

    def _delete_ours(self, render: Render) -> list[str]:
        uris = [asset.storage_uri for asset in render.assets]
        if render.intent.input_reference:
            uris.append(render.intent.input_reference.storage_uri)
        for uri in uris:
            self.shop.assets.delete(uri)
        return uris

    def _waits_for_renderer(self, render: Render) -> bool:
        """Whether the renderer is not configured now but may be again: its copy is not given up at once."""
        if render.job is None or render.deleted_at is None or self._renderer(render.job) is not None:
            return False
        return self.shop.now() - render.deleted_at < timedelta(seconds=self.shop.limits.render_deadline_s)

    def _renderer_copy(self, render: Render) -> Literal["deleted", "gone", "unsupported", "none"]:
        if render.job is None:
            return "none"
        renderer = self._renderer(render.job)
        return "unsupported" if renderer is None else renderer.delete(render.job.job_id)

    def _renderer(self, job: Job) -> Renderer | None:
        return self.shop.renderers.get((job.renderer, job.credential))
