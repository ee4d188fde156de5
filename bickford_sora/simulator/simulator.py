"""The stand-in renderer itself: accepts jobs, renders them in the background, announces their end."""

import asyncio
import math
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import Any

import structlog

from bickford_sora.simulator.faults import FaultKind, FaultPlan, Operation
from bickford_sora.simulator.flavours import flavour_of
from bickford_sora.simulator.intake import CreateRequest, SourceRequest
from bickford_sora.simulator.jobs import Call, Character, Job, JobError, JobRegistry
from bickford_sora.simulator.media import Media, make_media
from bickford_sora.simulator.problems import Problem, invalid
from bickford_sora.simulator.scene import Scene
from bickford_sora.simulator.settings import SimulatorSettings, parse_size
from bickford_sora.simulator.sources import Clip
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
        self.flavour = flavour_of(self.settings)
        self.registry = JobRegistry(jobs_max=self.settings.jobs_max)
        self.faults = FaultPlan(seed=self.settings.seed)
        self.webhooks = WebhookSender(
            self.settings, flavour=self.flavour, faults=self.faults, clock=clock, new_token=new_token
        )
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

    def create(self, asked: CreateRequest, *, call: Call) -> Job:
        """Accept, bill and start a new job.

        Raises:
            Problem: 400 for a film that cannot be drawn, 429 when as many jobs as are allowed are known or under way.
        """
        job = Job(
            id=self._new_id(asked.model),
            model=asked.model,
            size=asked.size,
            seconds=asked.seconds,
            scene=self._scene(asked),
            outputs=asked.outputs,
            extras=asked.extras,
            call=call,
            created_at=self._now(),
            made_by=Operation.CREATE,
            fate=self._fate(Operation.CREATE, asked.prompt),
        )
        return self._accept(job)

    def remix(self, source: Job, prompt: str, *, call: Call) -> Job:
        """Accept, bill and start a remix: model, size, length and world are the source's.

        Raises:
            Problem: 429 when as many jobs as are allowed are known or under way.
        """
        job = Job(
            id=self._new_id(source.model),
            model=source.model,
            size=source.size,
            seconds=source.seconds,
            scene=source.scene.remixed(prompt),
            created_at=self._now(),
            made_by=Operation.REMIX,
            remixed_from_video_id=source.id,
            call=call,
            fate=self._fate(Operation.REMIX, prompt),
        )
        return self._accept(job)

    def edit(self, source: Scene, asked: SourceRequest, *, call: Call) -> Job:
        """Accept, bill and start an edit: the source's world and length, changed by the prompt.

        Raises:
            Problem: 429 when as many jobs as are allowed are known or under way.
        """
        return self._accept(self._derived(Operation.EDIT, source.remixed(asked.prompt), asked, call))

    def extend(self, source: Scene, asked: SourceRequest, *, call: Call) -> Job:
        """Accept, bill and start an extension: the source's clip and a new segment behind it.

        Raises:
            Problem: 400 when the whole would be too long, 429 as above.
        """
        try:
            scene = source.extended(asked.prompt, int(asked.seconds or 0))
        except ValueError as error:
            raise invalid(f"The extended video cannot be made: {error}.", param="seconds") from error
        return self._accept(self._derived(Operation.EXTEND, scene, asked, call))

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
        try:
            return Scene(
                prompt=asked.prompt,
                origin_prompt=asked.prompt,
                width=width,
                height=height,
                seconds=max(1, math.ceil(float(asked.seconds))),
                frame_rate=asked.frame_rate or self.settings.frame_rate,
                seed=self.settings.seed if asked.seed is None else asked.seed,
                reference=asked.reference,
                frames_asked=asked.frames,
                has_audio=asked.has_audio,
            )
        except ValueError as error:
            raise invalid(f"Such a film cannot be drawn: {error}.", param="size") from error

    def _derived(self, made_by: Operation, scene: Scene, asked: SourceRequest, call: Call) -> Job:
        named = self.registry.get(asked.source) if isinstance(asked.source, str) else None
        model = named.model if named else asked.model
        return Job(
            id=self._new_id(model),
            model=model,
            size=f"{scene.width}x{scene.height}",
            seconds=str(scene.seconds),
            scene=scene,
            created_at=self._now(),
            made_by=made_by,
            remixed_from_video_id=named.id if named else None,
            call=call,
            fate=self._fate(made_by, asked.prompt),
        )

    def _new_id(self, model: str) -> str:
        return self.flavour.new_id(self._new_token(), model=model, created_at=self._now())

    def _now(self) -> int:
        return int(self.clock().timestamp())

    def _fate(self, operation: Operation, prompt: str) -> JobError | None:
        fault = self.faults.take(FaultKind.JOB_FAILS, operation, prompt)
        return None if fault is None else JobError(code=fault.code, message=fault.message)

    def _accept(self, job: Job) -> Job:
        key = job.call.idempotency_key
        known = self.registry.of_key(key) if self.settings.idempotency_keys and key else None
        if known is not None:
            return known
        in_flight_max = self.settings.in_flight_max
        if in_flight_max is not None and self.registry.in_flight() >= in_flight_max:
            raise _limited(f"Rate limit reached: {in_flight_max} jobs are under way.")
        if not self.registry.accept(job):
            raise _limited("Rate limit reached: too many jobs are known.")
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
            if not self._goes_on(job, status="in_progress", progress=progress):
                return
        if self.settings.finishing_s and self._goes_on(job, is_finishing=True):
            await asyncio.sleep(self.settings.finishing_s)
        ended = self._fail(job, job.fate) if job.fate else await self._complete(job, making)
        self.registry.stopped(job.id)
        if ended is not None:
            await self.webhooks.announce(ended)

    def _goes_on(self, job: Job, **changes: Any) -> bool:
        known = self.registry.change(job.id, **changes) is not None
        return known or self.registry.is_left_running(job.id)

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
            ended_at=now,
            is_finishing=False,
            expires_at=now + int(self.settings.asset_lifetime_s),
            media=media,
        )

    def _fail(self, job: Job, error: JobError) -> Job | None:
        return self.registry.change(job.id, status="failed", error=error, ended_at=self._now(), is_finishing=False)


def _limited(message: str) -> Problem:
    return Problem(429, message, code="rate_limit_exceeded", retry_after_s=1)


def _outputs(job: Job) -> list[Scene]:
    """The scenes of a job's outputs, each with colours of its own."""
    return [job.scene, *(replace(job.scene, seed=job.scene.seed + more) for more in range(1, job.outputs))]
