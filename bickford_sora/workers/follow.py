"""Asking the renderer how a job stands: on a schedule, and at once when a webhook came for it."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from bickford_sora.decisions import news, polling, settlement
from bickford_sora.decisions.drafts import NOTHING, Draft
from bickford_sora.decisions.news import News
from bickford_sora.decisions.prices import asked_for, quote, up_to_ms
from bickford_sora.renderers.errors import JobGone, ReadFailed
from bickford_sora.renderers.port import JobNews
from bickford_sora.renderers.wire import seconds_of
from bickford_sora.workers.submit import UNCONFIGURED_WAIT_S
from bickford_sora.workers.workshop import RETRIES_ASSUMED, Task, Workshop
from ledger.events import Money, Quote, RendererStopped, RenderIntent, Reported
from ledger.render import Job, Phase, Render

BEYOND_QUOTE = "billed_beyond_quote"
"""Why a renderer is stopped that charges more than `settlement_factor_max` times what was quoted."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Follow:
    """Follows jobs at the renderer until they end."""

    shop: Workshop

    def __call__(self, task: Task) -> datetime:
        """Asks once and records what is new. A webhook only makes this happen sooner: its word is not taken."""
        render, look_at = self._ask(task, self.shop.render(task))
        # Asked first: a job that ended while nobody here was running is taken in, however late it is.
        self.shop.decide(task, self._overdue, known=render)
        return look_at

    def _ask(self, task: Task, render: Render) -> tuple[Render, datetime]:
        """The render behind what its renderer said, and when to ask again."""
        if render.phase not in {Phase.QUEUED, Phase.IN_PROGRESS, Phase.LOST} or render.job is None:
            return render, self.shop.again()
        job = render.job
        renderer = self.shop.fleet.at(job.renderer, job.credential, job.replica)
        if renderer is None:
            return render, self.shop.after(UNCONFIGURED_WAIT_S)
        asked_s = None
        try:
            heard = renderer.status(job.job_id)
        except JobGone as error:
            render = self._gone(task, render, error.http_status)
        except ReadFailed as error:
            retry_at = self.shop.backoff(RETRIES_ASSUMED, error.retry_after_s)
            fact = self.shop.trouble(render, "follow", error, retry_at)
            return self.shop.decide(task, lambda r: news.trouble(r, fact), known=render), retry_at
        else:
            said = self._news(render, heard)
            if heard.status == "completed":
                self._hold_dear(render, job, said.reported)
            render = self.shop.decide(task, lambda r: news.heard(r, said, self.shop.now()), known=render)
            asked_s = heard.ask_after_s
        return render, self._next_look(task, render, asked_s)

    def _hold_dear(self, render: Render, job: Job, reported: Reported | None) -> None:
        """Stops a renderer that charges far beyond its quote. What it charged is settled in full all the same.

        Before that is recorded: a crash between the two is asked again, and stops it once more, which changes nothing.
        """
        quoted = render.allowed.quote if render.allowed else None
        if quoted is None:
            return
        now, factor = self._quote_now(render.intent, job), self.shop.limits.settlement_factor_max
        if not settlement.is_beyond(quoted, now, render.intent, reported, factor=factor):
            return
        stopped = RendererStopped(
            renderer=job.renderer, credential=job.credential, model=render.intent.model, code=BEYOND_QUOTE
        )
        self.shop.stops.stop(stopped)
        log.warning("renderer_stopped", renderer=job.renderer, code=BEYOND_QUOTE, video_id=render.intent.video_id)

    def _quote_now(self, intent: RenderIntent, job: Job) -> Quote | None:
        """What it would be quoted at now, where it is made."""
        catalogue = self.shop.catalogue()
        offer = catalogue.offer(intent.model, job.renderer, job.credential)
        return quote(asked_for(intent), offer, catalogue.prices_hash, self.shop.now()) if offer else None

    def _next_look(self, task: Task, render: Render, asked_s: float | None) -> datetime:
        if render.phase not in {Phase.QUEUED, Phase.IN_PROGRESS}:
            return self.shop.again()
        limits = self.shop.limits
        return self.shop.after(
            polling.pause_s(
                render,
                self.shop.now(),
                interval_s=limits.poll_interval_s,
                fallback_s=limits.poll_fallback_s,
                asked_s=asked_s,
                webhook_at=task.webhook_at,
            )
        )

    def _gone(self, task: Task, render: Render, http_status: int | None) -> Render:
        recovery, poll_interval_s = self.shop.recovery(render), self.shop.limits.poll_interval_s

        def decision(render: Render) -> Draft:
            return news.job_gone(render, http_status, self.shop.now(), recovery, poll_interval_s=poll_interval_s)

        return self.shop.decide(task, decision, known=render)

    def _overdue(self, render: Render) -> Draft:
        if render.phase not in {Phase.QUEUED, Phase.IN_PROGRESS}:
            return NOTHING
        return news.overdue(render, self.shop.now(), render_deadline_s=self.shop.limits.render_deadline_s)

    def _news(self, render: Render, heard: JobNews) -> News:
        return News(
            status=heard.status,
            progress=heard.progress,
            completed_at=heard.completed_at,
            expires_at=heard.expires_at,
            error_code=heard.error_code,
            error_message=self.shop.sealed(render, "render.failed.message", heard.error_message),
            reported=_reported(heard) if heard.status == "completed" else None,
        )


def _reported(heard: JobNews) -> Reported | None:
    """What the renderer says it made and charged; None where that is nothing."""
    duration_s = heard.duration_s or seconds_of(heard.seconds)
    cost = None if heard.cost_micro is None else Money(amount_micro=heard.cost_micro, currency="USD")
    reported = Reported(
        duration_ms=up_to_ms(duration_s) if duration_s else None,
        frames=heard.frames,
        outputs=heard.outputs,
        inference_ms=None if heard.inference_s is None else up_to_ms(heard.inference_s),
        cost=cost,
    )
    return None if reported == Reported() else reported
