"""The list of erasures, kept apart from the database: a restored backup brings keys back, this list takes them again.

One line an erasure, in JSON, with its number and the SHA-256 of what it says. A line is on disk before a key is
destroyed. A last line without its end is one whose writing was cut short: nothing was destroyed on its account, and it
is overwritten. Any other damage is an error that names the line, and nothing is served until somebody has looked.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ledger.durable import sync
from ledger.events import ErasureDecided

FORMAT = 1
TAIL_BYTES = 64 * 1024
"""Longest line in bytes; so much of the file's end is read to find the last one."""


_NOT_OURS = (ValueError, KeyError, TypeError, RecursionError)
"""What reading a line raises that this program did not write; the last is JSON that is nested too deeply."""


class ErasureListDamaged(Exception):  # noqa: N818 - it says what happened
    """Put the list of erasures right from a copy of it; nothing is served before."""

    code = "erasure_list_damaged"


class Listed(BaseModel):
    """One erasure: enough to carry it out again on a database that never heard of it. Holds nothing personal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: datetime
    tenant: str
    actor: str
    """Public id of the API key it was asked with, or the worker's name."""
    requester: str
    """Whose key it is, or whose key is above the render's."""
    decided: ErasureDecided

    @property
    def subject(self) -> str | None:
        """What is below the requester; None: all of it."""
        return self.decided.subject if self.decided.kind == "render" else None


class ErasureList:
    """The list in one file, which is made when the first line is written. Safe to use from several processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Listed) -> None:
        """Adds an erasure; on disk when this returns. Raises ErasureListDamaged and OSError: then nothing is erased."""
        with self._opened() as file:
            number = self._cut_to_last(file) + 1
            os.write(file, _line(number, entry))
            os.fsync(file)

    def __iter__(self) -> Iterator[Listed]:
        """Every erasure, in order. Raises ErasureListDamaged naming the line."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for number, line in enumerate(lines[:-1], start=1):
            yield self._read(line, number)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, locked against other writers until it is closed."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not self.path.exists()
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if is_new:
                sync(self.path.parent)  # so that a power cut does not lose the file itself
            yield file
        finally:
            os.close(file)

    def _cut_to_last(self, file: int) -> int:
        """The number of the last whole line, 0 when there is none; what was cut short behind it is removed."""
        size = os.fstat(file).st_size
        begins = max(0, size - TAIL_BYTES)
        tail = os.pread(file, TAIL_BYTES, begins)
        whole, ending, _cut_short = tail.rpartition(b"\n")
        ends = begins + len(whole) + len(ending)
        if begins and not ending:
            raise ErasureListDamaged(f"{self.path}: its last line is longer than any this program writes")
        os.ftruncate(file, ends)
        os.lseek(file, ends, os.SEEK_SET)
        return self._numbered(whole.rpartition(b"\n")[2]) if ending else 0

    def _numbered(self, line: bytes) -> int:
        try:
            number = int(json.loads(line)["n"])
        except _NOT_OURS as error:
            raise ErasureListDamaged(f"{self.path}: the last line is not one of this program's") from error
        self._read(line, number)
        return number

    def _read(self, line: bytes, number: int) -> Listed:
        try:
            said: dict[str, Any] = json.loads(line)
            entry, digest = said["erasure"], said["sha256"]
            if said["v"] != FORMAT or said["n"] != number:
                raise ErasureListDamaged(
                    f"{self.path}, line {number}: another line was expected here; one was removed, added or moved"
                )
            if digest != _digest(number, entry):
                raise ErasureListDamaged(f"{self.path}, line {number}: it was changed")
            return Listed.model_validate(entry)
        except _NOT_OURS as error:
            raise ErasureListDamaged(f"{self.path}, line {number}: not a line of this program's") from error


def _line(number: int, entry: Listed) -> bytes:
    said = entry.model_dump(mode="json")
    line = {"v": FORMAT, "n": number, "erasure": said, "sha256": _digest(number, said)}
    return json.dumps(line, sort_keys=True).encode() + b"\n"


def _digest(number: int, entry: dict[str, Any]) -> str:
    said = json.dumps([FORMAT, number, entry], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()
