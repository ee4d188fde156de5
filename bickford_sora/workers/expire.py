"""Removing our copy of a video at the end of its retention. The video stays completed, and its facts stay."""

from dataclasses import dataclass
from datetime import datetime

from bickford_sora.decisions import retention
from bickford_sora.workers.workshop import Task, Workshop


@dataclass(frozen=True, slots=True)
class Expire:
    """Removes the files of renders whose retention has ended."""

    shop: Workshop

    def __call__(self, task: Task) -> datetime:
        """Deletes our files when their time is over and nothing keeps them, and records it."""
        render = self.shop.render(task)
        now = self.shop.now()
        if not retention.has_ended(render, now):
            return max(render.expires_at or now, self.shop.again())
        kept_until = self.shop.kept_until(render)
        if kept_until is not None:
            return kept_until
        deleted = self.shop.delete_files(render)
        # The files are gone. A crash before the append: clients are told so all the same, and nothing is found to
        # delete the next time.
        self.shop.decide(task, lambda r: retention.expired(r, now, assets_deleted=deleted))
        return self.shop.again()
