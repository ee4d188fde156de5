"""What every recorder of the ledger promises, wherever it keeps the events."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, cast

from eventsourcing.persistence import ApplicationRecorder, StoredEvent, Subscription

from ledger.envelope import Appended
from ledger.errors import LedgerError
from ledger.mapper import RecordedRow, Row

POSITION_MAX = 2**63 - 1
READ_EVENTS_MAX = 10_000
"""Most events in one read; a longer stream is read in pages."""


class LedgerRecorder(ApplicationRecorder):
    """The library's port, narrowed to what a ledger needs.

    Durability: an answered append survives whatever the recorder's storage survives, whole; a refused one left nothing.
    Order: positions are dense from 1 and follow appends, so a reader that has seen P has seen everything up to P;
    `recorded_at` never runs backwards along them.
    Concurrency: from any number of threads; `append_all` from an event loop, which does other things meanwhile where
    there is a disk to wait for. A decision is accepted only if every stream it names still has the head it was decided
    on; its neighbours do not notice.
    Retry: an append of the same event ids at the same places is answered with the first result.
    Errors: Conflict, Refused, Unavailable (`ledger.errors`).
    """

    @abstractmethod
    def append(self, rows: Sequence[Row], heads: Mapping[str, int]) -> Appended:
        """Appends one decision. Raises Conflict, Refused or Unavailable."""

    async def append_all(
        self, decisions: Sequence[tuple[Sequence[Row], Mapping[str, int]]]
    ) -> list[Appended | LedgerError]:
        """Appends decisions that know nothing of each other, and answers each: the result of `append`, or its error.

        Each is accepted or refused for itself, and later ones are judged on what earlier ones left behind.
        """
        answers: list[Appended | LedgerError] = []
        for rows, heads in decisions:
            try:
                answers.append(self.append(rows, heads))
            except LedgerError as error:
                answers.append(error)
        return answers

    @abstractmethod
    def read(self, after: int, *, until: int = POSITION_MAX, limit: int = READ_EVENTS_MAX) -> Sequence[RecordedRow]:
        """Events with `after` < position <= `until`, at most `limit`."""

    @abstractmethod
    def pick(self, after: int, types: Collection[str], *, limit: int = READ_EVENTS_MAX) -> Sequence[RecordedRow]:
        """Of the events `read` gives, those of these types, and the last whatever its type."""

    @abstractmethod
    def read_streams(
        self, prefix: str, *, after: tuple[str, int] | None, until: int, desc: bool, limit: int
    ) -> Sequence[RecordedRow]:
        """Events up to position `until` of the streams whose id is `prefix` and hex digits, by stream and version.

        Those behind the place `after` (a stream and a version), at most `limit`; `desc`: the last of all first.
        """

    @abstractmethod
    def turn(self, name: str) -> AbstractContextManager[None]:
        """Lets those who decide on the same busy stream go one by one, so that they do not conflict.

        A courtesy, never a guarantee: it may be given to two, and whoever holds it for too long is overtaken.
        """

    @abstractmethod
    def close(self) -> None:
        """Finishes what was begun and refuses what comes after."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int]:
        """The library's way in, `save(*events, heads=...)`: one decision. Positions of the events.

        Heads default to the versions before its events.
        """
        unknown = {name for name, value in kwargs.items() if value is not None} - {"heads"}
        if unknown:
            raise TypeError(
                f"save() takes heads=..., not {', '.join(sorted(unknown))}; a read model keeps its own position"
            )
        rows = cast("Sequence[Row]", stored_events)
        if not rows:
            return []
        heads: dict[str, int] = dict(kwargs.get("heads") or {})
        for row in rows:
            heads.setdefault(str(row.originator_id), row.originator_version - 1)
        first = self.append(rows, heads).first_position
        return list(range(first, first + len(rows)))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[RecordedRow]:
        """Events by position. `topics` is refused: a filtered read has no index, and its reader falls behind unseen."""
        if topics:
            raise NotImplementedError("read the whole order, and filter what was read")
        after = 0 if start is None else start - 1 if inclusive_of_start else start
        return self.read(after, until=POSITION_MAX if stop is None else stop, limit=limit)

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Refused: the library's subscription can miss a wake-up and dies with its connection."""
        raise NotImplementedError("follow with ledger.following.follow")
