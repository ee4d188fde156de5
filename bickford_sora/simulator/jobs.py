"""The simulator's jobs, kept in memory as every open-source renderer keeps them, and the bill for them."""

import threading
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bickford_sora.simulator.faults import Operation
from bickford_sora.simulator.media import Media
from bickford_sora.simulator.scene import Scene


@dataclass(frozen=True)
class JobError:
    """Why a job failed, as the protocol tells it."""

    code: str
    message: str


@dataclass(frozen=True)
class Call:
    """What came with the call that made a job, beside what it asked for."""

    idempotency_key: str | None = None
    arrived: dict[str, Any] = field(default_factory=dict)
    """Every field of the body as it arrived, of files their names, types and sizes."""


@dataclass(frozen=True)
class Job:
    """One job as it stands at one moment. Times are unix seconds."""

    id: str
    model: str
    size: str
    seconds: str
    scene: Scene
    created_at: int
    made_by: Operation
    remixed_from_video_id: str | None = None
    status: Literal["queued", "in_progress", "completed", "failed"] = "queued"
    progress: int = 0
    completed_at: int | None = None
    expires_at: int | None = None
    ended_at: int | None = None
    """When it came to its end, good or bad."""
    error: JobError | None = None
    is_finishing: bool = False
    """Still in progress, but past stopping."""
    fate: JobError | None = None
    """the failure a fault has chosen for it when it was accepted"""
    media: tuple[Media, ...] = ()
    """The files of each output, once they are made"""
    outputs: int = 1
    extras: dict[str, Any] = field(default_factory=dict)
    """the fields beyond the protocol it was asked with"""
    call: Call = field(default_factory=Call)

    @property
    def is_finished(self) -> bool:
        """Whether the job has reached its end, good or bad."""
        return self.status in {"completed", "failed"}


@dataclass(frozen=True)
class BilledJob:
    """A line of the bill: accepted is billed, whatever became of it."""

    id: str
    operation: Operation
    model: str
    size: str
    seconds: str
    prompt: str
    idempotency_key: str | None
    extras: dict[str, Any]


@dataclass(frozen=True)
class Character:
    """A character made from a video."""

    id: str
    name: str
    created_at: int

    def as_character(self) -> dict[str, Any]:
        """The protocol's object."""
        return {"id": self.id, "object": "character", "name": self.name, "created_at": self.created_at}


@dataclass(frozen=True)
class Page:
    """Some jobs of the list, and whether more follow them."""

    jobs: list[Job]
    has_more: bool


class JobRegistry:
    """Every job the simulator knows, in the order of acceptance, and the bill. Safe to use from any thread."""

    def __init__(self, *, jobs_max: int) -> None:
        self._jobs_max = jobs_max
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._bill: list[BilledJob] = []
        self._characters: dict[str, Character] = {}
        self._left_running: set[str] = set()

    def accept(self, job: Job) -> bool:
        """Take the job and put it on the bill; False, and neither, when `jobs_max` are known already."""
        with self._lock:
            if len(self._jobs) >= self._jobs_max:
                return False
            self._jobs[job.id] = job
            self._bill.append(
                BilledJob(
                    id=job.id,
                    operation=job.made_by,
                    model=job.model,
                    size=job.size,
                    seconds=job.seconds,
                    prompt=job.scene.prompt,
                    idempotency_key=job.call.idempotency_key,
                    extras=job.extras,
                )
            )
            return True

    def add_character(self, character: Character) -> None:
        """Keep a character."""
        with self._lock:
            self._characters[character.id] = character

    def character(self, character_id: str) -> Character | None:
        """The character, None when it was never known or was forgotten."""
        with self._lock:
            return self._characters.get(character_id)

    def get(self, job_id: str) -> Job | None:
        """The job as it stands now, None when it was never known, deleted or forgotten."""
        with self._lock:
            return self._jobs.get(job_id)

    def of_key(self, idempotency_key: str) -> Job | None:
        """The job that the first call with this key made, None when it was never made, deleted or forgotten."""
        with self._lock:
            jobs = self._jobs.values()
            return next((job for job in jobs if job.call.idempotency_key == idempotency_key), None)

    def change(self, job_id: str, **changes: Any) -> Job | None:
        """Replace fields of the job; None when it was deleted or forgotten meanwhile."""
        with self._lock:
            job = self._jobs.get(job_id)
            if job is None:
                return None
            self._jobs[job_id] = replace(job, **changes)
            return self._jobs[job_id]

    def delete(self, job_id: str, *, stop: bool = True) -> Job | None:
        """Forget one job, which stays on the bill; None when it is not known.

        Unless it is to `stop`, work on it goes on although nobody can ask for it any more.
        """
        with self._lock:
            job = self._jobs.pop(job_id, None)
            if job is not None and not stop and not job.is_finished:
                self._left_running.add(job_id)
            return job

    def is_left_running(self, job_id: str) -> bool:
        """Whether a deleted job is worked on nevertheless."""
        with self._lock:
            return job_id in self._left_running

    def stopped(self, job_id: str) -> None:
        """Note that nobody works on the job any more."""
        with self._lock:
            self._left_running.discard(job_id)

    def in_flight(self) -> int:
        """How many jobs are worked on, or wait for it."""
        with self._lock:
            return sum(not job.is_finished for job in self._jobs.values()) + len(self._left_running)

    def forget_all(self) -> None:
        """Forget every job, as a restart of an in-memory renderer does. The bill stays."""
        with self._lock:
            self._jobs.clear()
            self._characters.clear()
            self._left_running.clear()

    def clear(self) -> None:
        """Forget every job and the bill."""
        with self._lock:
            self._jobs.clear()
            self._characters.clear()
            self._left_running.clear()
            self._bill.clear()

    def unfinished(self) -> list[Job]:
        """The jobs that have not reached their end."""
        with self._lock:
            return [job for job in self._jobs.values() if not job.is_finished]

    def page(self, *, after: str | None, limit: int, newest_first: bool, by_second: bool = False) -> Page | None:
        """Up to `limit` jobs that follow `after`; None when `after` is not known.

        A server that sorts `by_second` has the jobs of one second in the order of acceptance either way.
        """
        with self._lock:
            jobs = list(self._jobs.values())
        if by_second:
            jobs.sort(key=lambda job: job.created_at, reverse=newest_first)
        elif newest_first:
            jobs.reverse()
        if after is not None:
            ids = [job.id for job in jobs]
            if after not in ids:
                return None
            jobs = jobs[ids.index(after) + 1 :]
        return Page(jobs=jobs[:limit], has_more=len(jobs) > limit)

    def billed(self) -> list[BilledJob]:
        """Every line of the bill, oldest first."""
        with self._lock:
            return list(self._bill)
