"""What every renderer promises, whatever dialect of the Videos API it speaks."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Variant = Literal["video", "thumbnail", "spritesheet"]
JobStatus = Literal["queued", "in_progress", "completed", "failed"]
Deletion = Literal["deleted", "gone", "unsupported"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference image. `open` gives its bytes, whole or in chunks, anew at each call."""

    filename: str = field(repr=False)
    media_type: str
    open: Callable[[], bytes | Iterable[bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Order:
    """What a renderer is asked to make. With `remix_job_id` only the prompt is new; the rest is the source's."""

    model: str
    prompt: str = field(repr=False)
    seconds: str
    size: str
    reference: Reference | None
    remix_job_id: str | None
    """The renderer's own id of the job to remix."""
    idempotency_key: str
    """The same for every call that is meant to make one and the same job."""


@dataclass(frozen=True, slots=True)
class JobNews:
    """What a renderer says about one of its jobs, in the protocol's words. None: it does not say."""

    job_id: str
    status: JobStatus
    progress: int
    """Percent, 0 to 100."""
    model: str | None = None
    seconds: str | None = None
    size: str | None = None
    prompt: str | None = field(default=None, repr=False)
    remixed_from_job_id: str | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    """When the file can no longer be downloaded."""
    error_code: str | None = None
    """Why it failed: a plain word, always there when the status is failed."""
    error_message: str | None = field(default=None, repr=False)
    """The renderer's own words: untrusted free text, cut to a limit."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file on its way. `chunks` raises ReadFailed when it breaks off, also short of its Content-Length."""

    media_type: str | None
    length: int | None
    """Bytes, when the renderer says beforehand."""
    chunks: Iterator[bytes]


class Renderer(Protocol):
    """A configured service that makes videos, asked with one credential.

    Money: `submit` makes at most one HTTP request each time it is called and never repeats it by itself; it is called
    once per recorded attempt. It returns news only when the renderer named the job it took. It raises `Refused` only
    when the renderer certainly took nothing, and `UnknownOutcome` in every other case, also for an answer of success
    that cannot be understood.

    Errors: those of `errors.py` and no others, except what a reference's `open` raises: that comes before anything is
    sent. Text of an error never holds the credential or the renderer's words.

    Retry: everything but `submit` may be repeated after any error.

    Concurrency: every method may be called from many threads at once.

    Absence: when `absence_proves`, a job that this credential made is in `jobs()` from the moment it was taken until
    it was deleted, so that a whole list without it, read after the attempt's deadline, means that it was never taken
    or that the renderer forgot it. When not, absence says nothing.
    """

    @property
    def name(self) -> str:
        """The renderer's configured name."""
        ...

    @property
    def credential(self) -> str:
        """Public name of the credential; no part of the secret."""
        ...

    @property
    def replica(self) -> str:
        """Base URL of the process that is asked, without credentials."""
        ...

    @property
    def absence_proves(self) -> bool:
        """Whether a job missing in `jobs()` was never taken."""
        ...

    def submit(self, order: Order) -> JobNews:
        """Ask for a video, once.

        Raises:
            Refused: the renderer took nothing.
            UnknownOutcome: the renderer may have taken the job.
        """
        ...

    def status(self, job_id: str) -> JobNews:
        """Ask how a job stands.

        Raises:
            JobGone: the renderer does not know it.
            ReadFailed: no usable answer.
        """
        ...

    def jobs(self) -> Iterator[JobNews]:
        """Every job of this credential, through all pages, as the renderer orders them when asked for newest first.

        An iteration that ends without an error has seen the whole list.

        Raises:
            ReadFailed: a page could not be had, pages repeat, or there are more than the limit.
        """
        ...

    def content(self, job_id: str, variant: Variant) -> AbstractContextManager[Content]:
        """Open one of a job's files.

        Raises:
            AssetExpired: it cannot be had any more.
            NotReady: it is not made yet.
            ReadFailed: no usable answer.
        """
        ...

    def delete(self, job_id: str) -> Deletion:
        """Ask the renderer to stop and forget a job: "gone" when it knows none, "unsupported" when it never does so.

        Raises:
            ReadFailed: no usable answer; the job may be deleted or not.
        """
        ...
