"""The books of files: what a fact says is stored, is there. Only files that are missed are kept in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from bickford_sora.checking.findings import Findings, Kind
from bickford_sora.checking.records import Record, moment


@dataclass(frozen=True, slots=True)
class File:
    """A file as a fact names it."""

    storage_uri: str
    sha256: str
    bytes: int


LookAt = Callable[[File], tuple[Kind, str] | None]
"""What is wrong with a file in the store; None: nothing."""

NAMING = frozenset({"render.intent", "render.stored", "character.requested"})
"""Facts that name files."""
REMOVING = frozenset(
    {
        "render.denied",
        "render.deleted",
        "render.expired",
        "render.purged",
        "character.refused",
        "erasure.decided",
        "subject.erased",
    }
)
"""Facts after which the files of their stream are gone, or may be at any moment."""


@dataclass(frozen=True, slots=True)
class _Missed:
    kind: Kind
    position: int
    message: str
    until: datetime | None
    """When it may be gone anyway."""
    requester: str | None


class Files:
    """Looks for each file when it is named, and waits for what explains that one is gone."""

    def __init__(self, findings: Findings, look_at: LookAt) -> None:
        self._findings = findings
        self._look_at = look_at
        self._missed: dict[str, list[_Missed]] = {}
        """By the stream that names them."""
        self.looked_at = 0

    @property
    def open(self) -> int:
        """How much is kept in memory."""
        return len(self._missed)

    def told(self, record: Record) -> None:
        """A fact that names files, or after which some are gone."""
        if record.type in NAMING:
            self._named(record)
        elif record.category == "requester":  # a requester is erased: renders are told of it, characters are not
            self._missed = {
                stream: missed
                for stream, missed in self._missed.items()
                if missed[0].requester != record.fields.get("subject")
            }
        elif record.fields.get("cause") != "retention" and record.fields.get("reason") != "retention":
            self._missed.pop(record.stream, None)

    def finish(self, now: datetime) -> None:
        """Adds the files whose absence nothing explains."""
        for stream, missed in self._missed.items():
            for each in missed:
                if each.until is None or now < each.until:
                    self._findings.add(each.kind, stream, each.position, each.message)

    def _named(self, record: Record) -> None:
        until, requester = moment(record.fields.get("expires_at")), record.fields.get("requester")
        for file in _files(record):
            self.looked_at += 1
            wrong = self._look_at(file)
            if wrong is not None:
                missed = _Missed(wrong[0], record.position, wrong[1], until, requester)
                self._missed.setdefault(record.stream, []).append(missed)


def _files(record: Record) -> Iterator[File]:
    fields = record.fields
    named = [fields.get("input_reference"), fields.get("source_video"), *fields.get("assets", ())]
    for each in named:
        if each is not None:
            yield File(each["storage_uri"], each["sha256"], each["bytes"])
