"""Where the body of an answer goes: memory, a file that appears whole or not at all, or whoever follows a stream."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol, Self


class BodyTooLarge(Exception):  # noqa: N818 - it says what is wrong
    """The body has more bytes than its limit; the rest was not read."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"The answer has more than {bytes_max} bytes.")


class Receiver(Protocol):
    """Takes a body piece by piece. A call that is repeated starts again from nothing."""

    def restart(self) -> None:
        """Forgets what came so far."""

    def write(self, chunk: bytes) -> None:
        """Takes the next piece. Raises BodyTooLarge past its limit."""

    def content(self) -> bytes:
        """What is kept in memory."""


class InMemory:
    """Keeps the body in memory."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._kept = bytearray()

    def restart(self) -> None:
        """Forgets what came so far."""
        self._kept.clear()

    def write(self, chunk: bytes) -> None:
        """Takes the next piece. Raises BodyTooLarge past the limit."""
        self._kept += chunk
        if len(self._kept) > self._bytes_max:
            raise BodyTooLarge(self._bytes_max)

    def content(self) -> bytes:
        """The body."""
        return bytes(self._kept)


class InFile:
    """Writes the body beside `target` and renames it when it is whole, so no half file ever bears the name.

    A context manager: leaving it by an exception removes what was written. Raises OSError as files do.
    """

    def __init__(self, target: Path, bytes_max: int) -> None:
        self._target = target
        self._partial = target.with_name(f"{target.name}.part")
        self._bytes_max = bytes_max
        self._file: BinaryIO | None = None
        self._written = 0

    def restart(self) -> None:
        """Begins the file anew."""
        self._opened().truncate(0)
        self._opened().seek(0)
        self._written = 0

    def write(self, chunk: bytes) -> None:
        """Takes the next piece. Raises BodyTooLarge past the limit."""
        self._written += len(chunk)
        if self._written > self._bytes_max:
            raise BodyTooLarge(self._bytes_max)
        self._opened().write(chunk)

    def content(self) -> bytes:
        """Nothing: it is in the file."""
        return b""

    def __enter__(self) -> Self:
        self._file = self._partial.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._opened().close()
        if kind is None:
            self._partial.replace(self._target)
        else:
            self._partial.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        assert self._file is not None, "write within `with`"  # noqa: S101 - a programmer's mistake
        return self._file


class Events:
    """Reads Server-Sent Events as they come and hands on the data of each (HTML, section 9.2.6)."""

    def __init__(self, on_data: Callable[[str], object], bytes_max: int) -> None:
        self.last_id: str | None = None
        """Where to take the stream up again."""
        self._on_data = on_data
        self._bytes_max = bytes_max
        self._partial = b""

    def restart(self) -> None:
        """Forgets an event that broke off."""
        self._partial = b""

    def write(self, chunk: bytes) -> None:
        """Takes the next piece. Raises BodyTooLarge for an event past the limit."""
        *whole, self._partial = (self._partial + chunk).split(b"\n\n")
        if len(self._partial) > self._bytes_max:
            raise BodyTooLarge(self._bytes_max)
        for event in whole:
            self._take(event.decode("utf-8", "replace"))

    def content(self) -> bytes:
        """Nothing: it was handed on."""
        return b""

    def _take(self, event: str) -> None:
        fields = dict(line.partition(": ")[::2] for line in event.split("\n") if not line.startswith(":"))
        if "data" in fields:
            self._on_data(fields["data"])
        self.last_id = fields.get("id", self.last_id)
