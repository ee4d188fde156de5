"""Checks untrusted media in a child process, so that a hostile file can cost us a verdict and nothing else."""

import os
import selectors
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bickford_sora.assets.errors import (
    MediaError,
    MediaFault,
    MediaInspectionInterrupted,
    MediaInspectionTimeout,
    MediaInspectorUnavailable,
    MediaInvalid,
)
from bickford_sora.assets.hosting import HOST, InspectionHost
from bickford_sora.assets.limits import MediaLimits
from bickford_sora.assets.media import DerivedImage, ImageFacts, VideoFacts
from bickford_sora.assets.regular_file import open_regular_file
from bickford_sora.assets.sniff import SNIFF_BYTES, ImageType, sniff

_log = structlog.get_logger(__name__)

_READY = b"ready\n"
_READ_BYTES = 1 << 16

# Signals a process gets from what it does itself. SIGKILL and SIGTERM come from others and prove nothing.
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS})

_Task = Literal["video", "image", "thumbnail", "spritesheet"]
_Model = TypeVar("_Model", VideoFacts, ImageFacts)


class _Refusal(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    fault: MediaFault
    reason: str = Field(max_length=300)


class _Answer(BaseModel):
    """The child's line of JSON; believed no more than the file it read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    facts: dict[str, Any] | None = None
    refused: _Refusal | None = None
    broken: str | None = Field(default=None, max_length=100)


class MediaInspector:
    """Decodes media completely in a confined child process, one per call. Thread-safe; a call blocks its thread.

    The child has no environment, no path and no descriptor but the file, and runs under `MediaLimits`. Every method
    takes a path (a regular file, not a symbolic link) or the bytes themselves. Must be closed: the process that forks
    the children stays for the next.

    Every method raises:
        MediaInvalid: the verdict on the file; repeating gives the same.
        MediaInspectionTimeout: the time was used up.
        MediaInspectionInterrupted: the child was killed from outside; repeat.
        MediaInspectorUnavailable: the child could not do its work; nothing is known about the file.

    Args:
        limits: what one check may cost.
        host: the command of the process that forks the children, see `inspection_host`.
    """

    def __init__(self, *, limits: MediaLimits, host: Sequence[str] = HOST) -> None:
        self._limits = limits
        self._host = InspectionHost(host)

    def close(self) -> None:
        """Ends the process that forks. May be repeated; a check after it starts another."""
        self._host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def inspect_video(self, source: Path | bytes) -> VideoFacts:
        """Decode every frame of an MP4."""
        facts, _ = self._ask("video", source)
        return _validated(VideoFacts, facts)

    def inspect_image(self, source: Path | bytes) -> ImageFacts:
        """Decode a still JPEG, PNG or WebP."""
        facts, _ = self._ask("image", source)
        return _validated(ImageFacts, facts)

    def make_thumbnail(self, source: Path | bytes) -> DerivedImage:
        """Make a WebP of a video's middle frame."""
        return self._derive("thumbnail", source, "image/webp")

    def make_spritesheet(self, source: Path | bytes) -> DerivedImage:
        """Make a JPEG of sixteen frames of a video, four by four."""
        return self._derive("spritesheet", source, "image/jpeg")

    def _derive(self, task: _Task, source: Path | bytes, media_type: ImageType) -> DerivedImage:
        _, content = self._ask(task, source)
        if sniff(content[:SNIFF_BYTES]) != media_type:
            raise MediaInspectorUnavailable(f"the {task} that was made is no {media_type}")
        return DerivedImage(media_type=media_type, content=content)

    def _ask(self, task: _Task, source: Path | bytes) -> tuple[dict[str, Any], bytes]:
        with _opened(source) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if size_bytes == 0:
                raise MediaInvalid(MediaFault.EMPTY, "the file is empty")
            if size_bytes > self._limits.source_bytes_max:
                limit = self._limits.source_bytes_max
                raise MediaInvalid(MediaFault.TOO_LARGE, f"the file is larger than the limit of {limit} bytes")
            output, exit_code = self._run(task, file)
        if not output.startswith(_READY):
            raise MediaInspectorUnavailable(f"the checking process ended with {exit_code} before it began")
        line, complete, content = output.removeprefix(_READY).partition(b"\n")
        if exit_code != 0 or not complete:
            raise _died(task, exit_code)
        return _facts(line), content

    def _run(self, task: _Task, file: BinaryIO) -> tuple[bytes, int]:
        """The child's whole output and its exit code (negative: the signal that killed it)."""
        deadline = time.monotonic() + self._limits.wall_clock_s
        with self._host.checking(task, self._limits, file) as child:
            try:
                output = _read_until(deadline, child.answer, bytes_max=self._limits.answer_bytes_max)
                exit_code = child.exit_code(deadline - time.monotonic())
            except TimeoutError as error:
                raise MediaInspectionTimeout(f"not checked within {self._limits.wall_clock_s} s") from error
            except OSError:
                exit_code = None
        return output, -signal.SIGKILL if exit_code is None else exit_code  # who would tell was killed


def _read_until(deadline: float, answer: int, *, bytes_max: int) -> bytes:
    """Everything the child writes until it closes its output.

    Raises:
        TimeoutError: it had not closed it by the deadline (monotonic seconds).
        MediaInspectorUnavailable: it wrote more than an answer can be.
    """
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(answer, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            chunk = os.read(answer, _READ_BYTES)
            if not chunk:
                return bytes(output)
            output += chunk
            if len(output) > bytes_max:
                raise MediaInspectorUnavailable(f"the checking process answered with more than {bytes_max} bytes")


@contextmanager
def _opened(source: Path | bytes) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        with tempfile.TemporaryFile() as unnamed:  # a decoder must be able to seek
            unnamed.write(source)
            unnamed.seek(0)
            yield unnamed
        return
    try:
        file = open_regular_file(source)
    except OSError as error:
        raise MediaInspectorUnavailable(f"the file cannot be opened: {error.strerror or error}") from error
    with file:
        yield file


def _died(task: _Task, exit_code: int) -> MediaError:
    """What the end of a child that had begun, but gave no answer, says about the file."""
    _log.warning("media_inspection_died", task=task, exit_code=exit_code)
    if exit_code >= 0:
        return MediaInspectorUnavailable(f"the checking process ended with {exit_code} and no answer")
    name = signal.Signals(-exit_code).name
    if -exit_code == signal.SIGXCPU:
        return MediaInspectionTimeout("the check used up its processor time")
    if -exit_code in _CRASHES:
        return MediaInvalid(MediaFault.DECODER_CRASHED, f"the decoder crashed on it ({name})")
    return MediaInspectionInterrupted(f"the checking process was killed from outside ({name})")


def _facts(line: bytes) -> dict[str, Any]:
    """The facts of the child's answer; its refusal is raised here."""
    try:
        answer = _Answer.model_validate_json(line)
    except ValidationError as error:
        raise MediaInspectorUnavailable("the checking process gave an answer nobody understands") from error
    if answer.refused is not None:
        raise MediaInvalid(answer.refused.fault, answer.refused.reason)
    if answer.facts is None:
        raise MediaInspectorUnavailable(f"the checking process failed: {answer.broken}")
    return answer.facts


def _validated(model: type[_Model], facts: dict[str, Any]) -> _Model:
    try:
        return model.model_validate(facts)
    except ValidationError as error:
        raise MediaInspectorUnavailable("the checking process told facts that cannot be") from error
