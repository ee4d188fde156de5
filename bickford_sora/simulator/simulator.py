"""The stand-in renderer itself: accepts jobs, renders them in the background, announces their end."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache

import structlog

from bickford_sora.simulator.faults import FaultKind, FaultPlan, Operation
from bickford_sora.simulator.intake import Clip, CreateRequest, SourceRequest
from bickford_sora.simulator.jobs import Character, Job, JobError, JobRegistry
from bickford_sora.simulator.media import Media, make_media
from bickford_sora.simulator.problems import Problem, invalid
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
        job = Job(
            id=self._new_id(),
            model=asked.model,
            size=asked.size,
            seconds=asked.seconds,
            scene=self._scene(asked),
            outputs=asked.extras.get("n", 1),
            extras=asked.extras,
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

    def edit(self, source: Scene, asked: SourceRequest, *, idempotency_key: str | None) -> Job:
        """Accept, bill and start an edit: the source's world and length, changed by the prompt.

        Raises:
            Problem: 429 when `jobs_max` jobs are known.
        """
        return self._accept(self._derived(Operation.EDIT, source.remixed(asked.prompt), asked), idempotency_key)

    def extend(self, source: Scene, asked: SourceRequest, *, idempotency_key: str | None) -> Job:
        """Accept, bill and start an extension: the source's clip and a new segment behind it.

        Raises:
            Problem: 429 when `jobs_max` jobs are known; 400 when the whole would be too long.
        """
        try:
            scene = source.extended(asked.prompt, int(asked.seconds or 0))
        except ValueError as error:
            raise invalid(f"The extended video cannot be made: {error}.", param="seconds") from error
        return self._accept(self._derived(Operation.EXTEND, scene, asked), idempotency_key)

    def scene_of_clip(self, clip: Clip) -> Scene:
        """The world an uploaded video shows, as far as a stand-in can tell: its first frame."""
        return Scene(
            prompt="",
            origin_prompt="",
            width=clip.width,
            height=clip.height,
            seconds=clip.seconds,
            frame_rate=self.settings.frame_rate,
            seed=self.settings.seed,
            reference=clip.first_frame,
        )

    def create_character(self, name: str) -> Character:
        """Make a character; it is there at once."""
        character = Character(f"char_{self._new_token()}", name, self._now())
        self.registry.add_character(character)
        return character

    def _scene(self, asked: CreateRequest) -> Scene:
        width, height = parse_size(asked.size)
        extras = asked.extras
        return Scene(
            prompt=asked.prompt,
            origin_prompt=asked.prompt,
            width=width,
            height=height,
            seconds=int(asked.seconds),
            frame_rate=extras.get("fps", self.settings.frame_rate),
            seed=extras.get("seed", self.settings.seed),
            reference=asked.reference,
            frames_asked=extras.get("num_frames"),
            has_audio=extras.get("generate_audio", True),
        )

    def _derived(self, made_by: Operation, scene: Scene, asked: SourceRequest) -> Job:
        named = self.registry.get(asked.source) if isinstance(asked.source, str) else None
        return Job(
            id=self._new_id(),
            model=named.model if named else asked.model,
            size=f"{scene.width}x{scene.height}",
            seconds=str(scene.seconds),
            scene=scene,
            created_at=self._now(),
            made_by=made_by,
            remixed_from_video_id=named.id if named else None,
            fate=self._fate(made_by, asked.prompt),
        )

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
        making = None if job.fate else [self._make_in_thread(scene) for scene in _outputs(job)]
        for progress in range(0, 100, PROGRESS_STEP):
            await asyncio.sleep(self.settings.render_time_s * PROGRESS_STEP / 100)
            if self.registry.change(job.id, status="in_progress", progress=progress) is None:
                return
        ended = self._fail(job, job.fate) if job.fate else await self._complete(job, making)
        if ended is not None:
            await self.webhooks.announce(ended)

    def _make_in_thread(self, scene: Scene) -> asyncio.Future[Media]:
        return asyncio.get_running_loop().run_in_executor(self._threads, self._make_media, scene)

    async def _complete(self, job: Job, making: list[asyncio.Future[Media]] | None) -> Job | None:
        assert making is not None, "only a job without a fate is completed"  # noqa: S101 - a programmer's mistake
        try:
            media = tuple(await asyncio.gather(*making))
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


def _outputs(job: Job) -> list[Scene]:
    """The scenes of a job's outputs, each with colours of its own."""
    return [job.scene, *(replace(job.scene, seed=job.scene.seed + more) for more in range(1, job.outputs))]
