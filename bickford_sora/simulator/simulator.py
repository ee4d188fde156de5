"""The stand-in renderer itself: accepts jobs, renders them in the background, announces their end."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import structlog

from bickford_sora.simulator.faults import FaultKind, FaultPlan, Operation
from bickford_sora.simulator.intake import CreateRequest
from bickford_sora.simulator.jobs import Job, JobError, JobRegistry
from bickford_sora.simulator.media import Media, make_media
from bickford_sora.simulator.problems import Problem
from bickford_sora.simulator.scene import Scene
from bickford_sora.simulator.settings import SimulatorSettings, parse_size
from bickford_sora.simulator.webhooks import WebhookSender
from ledger.clock import Clock, system_clock

RENDER_THREADS_MAX = 2
PROGRESS_STEP = 10

log = structlog.get_logger(__name__)


class Simulator:
    """One renderer with its jobs, bill, faults and webhooks.

    `create`, `remix`, `reset`, `open` and `close` belong to the event loop that serves it; `registry`, `faults`,
    `webhooks.deliveries` and `restart` may be used from any thread.
    """

    def __init__(
        self,
        settings: SimulatorSettings | None = None,
        *,
        clock: Clock = system_clock,
        new_token: Callable[[], str] = secrets.token_hex,
    ) -> None:
        self.settings = settings or SimulatorSettings()
        self.clock = clock
        self.registry = JobRegistry(jobs_max=self.settings.jobs_max)
        self.faults = FaultPlan(seed=self.settings.seed)
        self.webhooks = WebhookSender(self.settings, faults=self.faults, clock=clock, new_token=new_token)
        self._new_token = new_token
        # an equal request shows an equal film, so its files need not be made twice
        self._make_media = lru_cache(maxsize=self.settings.media_cached_max)(make_media)
        self._threads: ThreadPoolExecutor | None = None
        self._renders: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Start working; jobs left unfinished by `close` begin again."""
        self._threads = ThreadPoolExecutor(RENDER_THREADS_MAX, thread_name_prefix="simulator-render")
        await self.webhooks.open()
        for job in self.registry.unfinished():
            self._start(job)

    async def close(self) -> None:
        """Stop working: renders and deliveries under way are broken off, jobs stay as they are."""
        await self._break_off_renders()
        await self.webhooks.close()
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    def restart(self) -> None:
        """Forget every job, as a renderer with jobs in memory does when its process restarts. The bill stays."""
        self.registry.forget_all()

    async def reset(self) -> None:
        """Begin anew, as if just constructed: no jobs, no bill, no faults, no deliveries, the settings' endpoint."""
        await self._break_off_renders()
        self.registry.clear()
        self.faults.clear()
        self.webhooks.reset()

    async def _break_off_renders(self) -> None:
        for render in self._renders:
            render.cancel()
        await asyncio.gather(*self._renders, return_exceptions=True)

    def create(self, asked: CreateRequest, *, idempotency_key: str | None) -> Job:
        """Accept, bill and start a new job.

        Raises:
            Problem: 429 when `jobs_max` jobs are known.
        """
        width, height = parse_size(asked.size)
        scene = Scene(
            prompt=asked.prompt,
            origin_prompt=asked.prompt,
            width=width,
            height=height,
            seconds=int(asked.seconds),
            frame_rate=self.settings.frame_rate,
            seed=self.settings.seed,
            reference=asked.reference,
        )
        job = Job(
            id=self._new_id(),
            model=asked.model,
            size=asked.size,
            seconds=asked.seconds,
            scene=scene,
            created_at=self._now(),
            made_by=Operation.CREATE,
            fate=self._fate(Operation.CREATE, asked.prompt),
        )
        return self._accept(job, idempotency_key)

    def remix(self, source: Job, prompt: str, *, idempotency_key: str | None) -> Job:
        """Accept, bill and start a remix: model, size, length and world are the source's.

        Raises:
            Problem: 429 when `jobs_max` jobs are known.
        """
        job = Job(
            id=self._new_id(),
            model=source.model,
            size=source.size,
            seconds=source.seconds,
            scene=source.scene.remixed(prompt),
            created_at=self._now(),
            made_by=Operation.REMIX,
            remixed_from_video_id=source.id,
            fate=self._fate(Operation.REMIX, prompt),
        )
        return self._accept(job, idempotency_key)

    def _new_id(self) -> str:
        return f"video_{self._new_token()}"

    def _now(self) -> int:
        return int(self.clock().timestamp())

    def _fate(self, operation: Operation, prompt: str) -> JobError | None:
        fault = self.faults.take(FaultKind.JOB_FAILS, operation, prompt)
        return None if fault is None else JobError(code=fault.code, message=fault.message)

    def _accept(self, job: Job, idempotency_key: str | None) -> Job:
        if not self.registry.accept(job, idempotency_key=idempotency_key):
            raise Problem(429, "Too many jobs are known.", code="rate_limit_exceeded", retry_after_s=1)
        self._start(job)
        return job

    def _start(self, job: Job) -> None:
        render = asyncio.create_task(self._render(job))
        self._renders.add(render)
        render.add_done_callback(self._renders.discard)

    async def _render(self, job: Job) -> None:
        """Follow one job to its end. A job deleted or forgotten on the way ends silently, without a webhook."""
        making = None if job.fate else self._make_in_thread(job.scene)
        for progress in range(0, 100, PROGRESS_STEP):
            await asyncio.sleep(self.settings.render_time_s * PROGRESS_STEP / 100)
            if self.registry.change(job.id, status="in_progress", progress=progress) is None:
                return
        ended = self._fail(job, job.fate) if job.fate else await self._complete(job, making)
        if ended is not None:
            await self.webhooks.announce(ended)

    def _make_in_thread(self, scene: Scene) -> asyncio.Future[Media]:
        return asyncio.get_running_loop().run_in_executor(self._threads, self._make_media, scene)

    async def _complete(self, job: Job, making: asyncio.Future[Media] | None) -> Job | None:
        assert making is not None, "only a job without a fate is completed"  # noqa: S101 - a programmer's mistake
        try:
            media = await making
        except Exception:  # every accepted job must reach an end, whatever breaks in the encoder
            log.exception("simulated_render_broke", video_id=job.id)
            return self._fail(job, JobError(code="internal_error", message="The renderer broke."))
        now = self._now()
        return self.registry.change(
            job.id,
            status="completed",
            progress=100,
            completed_at=now,
            expires_at=now + int(self.settings.asset_lifetime_s),
            media=media,
        )

    def _fail(self, job: Job, error: JobError) -> Job | None:
        return self.registry.change(job.id, status="failed", error=error)
