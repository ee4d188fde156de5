"""Removing what a deleted video left behind: the renderer's copy and ours. The facts stay."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bickford_sora.decisions import deletion, news
from bickford_sora.renderers.errors import ReadFailed
from bickford_sora.workers.workshop import Task, Workshop
from ledger.events import RenderPurged
from ledger.lifecycle import Render


@dataclass(frozen=True, slots=True)
class Purge:
    """Purges deleted renders."""

    shop: Workshop

    def __call__(self, task: Task) -> datetime:
        """Deletes the renderer's copy (which stops an unfinished job) and our files, and records it."""
        render = self.shop.render(task)
        if not render.deleted or render.purged or render.submission_open:
            return self.shop.again()
        try:
            copy = self._renderer_copy(render)
        except ReadFailed as error:
            retry_at = self.shop.backoff(task.attempt, error.retry_after_s)
            fact = self.shop.trouble(render, "purge", error, retry_at)
            self.shop.decide(task, lambda r: news.trouble(r, fact))
            return retry_at
        # A crash from here on: the renderer answers "gone" next time, and deleting our files twice is no error.
        uris = [asset.storage_uri for asset in render.assets]
        if render.intent.input_reference:
            uris.append(render.intent.input_reference.storage_uri)
        for uri in uris:
            self.shop.assets.delete(uri)
        fact_purged = RenderPurged(renderer_copy=copy, assets_deleted=len(uris))
        self.shop.decide(task, lambda r: deletion.purged(r, fact_purged))
        return self.shop.again()

    def _renderer_copy(self, render: Render) -> Literal["deleted", "gone", "unsupported", "none"]:
        if render.job is None:
            return "none"
        renderer = self.shop.renderers.get((render.job.renderer, render.job.credential))
        return "unsupported" if renderer is None else renderer.delete(render.job.job_id)
