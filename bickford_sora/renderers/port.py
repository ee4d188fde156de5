"""What every renderer promises, whatever dialect of the Videos API it speaks."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from pydantic import JsonValue

Operation = Literal["create", "remix", "edit", "extend"]
Variant = Literal["video", "thumbnail", "spritesheet"]
JobStatus = Literal["queued", "in_progress", "completed", "failed"]
Deletion = Literal["deleted", "gone", "unsupported"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file for the renderer. `open` gives its bytes, whole or in chunks, anew at each call."""

    filename: str = field(repr=False)
    media_type: str
    open: Callable[[], bytes | Iterable[bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """The video that a remix, an edit or an extension starts from. One of the two is always there."""

    job_id: str | None
    """The renderer's own id of it, where the replica that is asked made it and knows it still."""
    video: Upload | None
    """Our stored file, or the one that was uploaded."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a renderer is asked to make."""

    model: str
    """By the renderer's own name."""
    prompt: str = field(repr=False)
    seconds: str
    """Of an extension: the new segment's."""
    size: str
    idempotency_key: str
    """The same for every call that is meant to make one and the same job."""
    operation: Operation = "create"
    reference: Upload | None = None
    """The image that is the first frame."""
    source: Source | None = None
    """None for a create."""
    fields: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    """Fields beyond the protocol, validated; each is in the dialect's `fields`."""
    sent_by: datetime | None = None
    """After this moment the request may not become whole at the renderer any more; None: whenever."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a dialect can do at all; a renderer's configuration can only take away from it."""

    remix: Literal["route", "video_reference", "none"]
    """By the protocol's route, by a create that is given the stored video, or not."""
    edits: bool
    extensions: bool
    characters: bool
    lists: bool
    """Whether `jobs()` can be had, so that an unknown submission can be looked for."""
    cancels: bool
    """Whether deleting an unfinished job stops it."""
    deletes: bool
    """Whether the renderer's copy of a finished one can be deleted."""
    variants: frozenset[Variant]
    """Files it has; the others are made here from the video."""
    keeps_idempotency_keys: bool
    """Whether two submissions with one idempotency key make one job."""
    calls_back: bool
    """Whether it sends webhooks."""
    fields: frozenset[str]
    """Fields beyond the protocol that it understands."""
    prompt_chars_max: int = 32_000
    recognisable: frozenset[Operation] = frozenset({"create", "remix"})
    """Operations whose jobs `jobs()` shows with model, prompt, seconds and size just as they were asked for."""
    obscuring: frozenset[str] = frozenset({"fps", "num_frames"})
    """Fields beyond the protocol that change what `jobs()` shows of a job."""

    def recognises(self, operation: Operation, fields: Collection[str]) -> bool:
        """Whether a job that was asked for so can be told from others by what `jobs()` shows.

        Where not, it is never adopted, and no list in which it could hide proves its absence.
        """
        return self.lists and self.shows(operation, fields)

    def shows(self, operation: Operation, fields: Collection[str]) -> bool:
        """Whether what is told of a job that was asked for so is just what was asked for."""
        return operation in self.recognisable and self.obscuring.isdisjoint(fields)


@dataclass(frozen=True, slots=True)
class Character:
    """A character a renderer made from a video."""

    character_id: str
    """The renderer's own id."""
    name: str
    created_at: datetime | None


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
    outputs: int | None = None
    """How many videos the job makes."""
    duration_s: float | None = None
    """How long each of them is, in seconds, where it says more of it than `seconds`."""
    frames: int | None = None
    """How many each of them has."""
    inference_s: float | None = None
    """How long the engine worked, in seconds, where it says so."""
    cost_micro: int | None = None
    """What the renderer says it charged, in millionths of US dollars."""
    ask_after_s: float | None = field(default=None, compare=False)
    """How long it wants not to be asked again, in seconds. It says nothing about the job."""


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

    Lateness: a process can be paused anywhere. After an order's `sent_by` others may find the job absent and ask for it
    again, so `submit` looks at the clock when all but the last bytes of the request have left. Too late, the connection
    is closed instead: half a request is none, and the order is refused as `submission_too_late`.

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
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def absence_proves(self) -> bool:
        """Whether a job missing in `jobs()` was never taken."""
        ...

    def submit(self, order: Order) -> JobNews:
        """Ask for a video, once.

        What `capabilities` lacks is refused as `unsupported_by_renderer`, here and in every call, and nothing is sent.

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

    def content(self, job_id: str, variant: Variant, output: int = 0) -> AbstractContextManager[Content]:
        """Open one of a job's files; `output` counts its videos from 0.

        Raises:
            AssetExpired: it cannot be had any more.
            NotReady: it is not made yet.
            ReadFailed: no usable answer.
        """
        ...

    def create_character(self, name: str, video: Upload, *, idempotency_key: str) -> Character:
        """Make a character from a video, once; answered when it is made.

        Raises:
            Refused: the renderer made nothing, as one without `capabilities.characters` always answers.
            UnknownOutcome: the renderer may have made it.
        """
        ...

    def probe(self) -> None:
        """Ask whether the process is there; any answer to a cheap question will do.

        Raises:
            ReadFailed: it is not, or does not accept the credential.
        """
        ...

    def delete(self, job_id: str) -> Deletion:
        """Ask the renderer to stop and forget a job: "gone" when it knows none, "unsupported" when it never does so.

        Raises:
            ReadFailed: no usable answer; the job may be deleted or not.
        """
        ...
