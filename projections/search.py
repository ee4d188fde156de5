"""In which facts was this written? The words of prompts, text fields and errors, opened, to be found.

It follows the ledger by itself: a batch has its keys read at once, and each text is opened once in a replay. When a
subject is erased its words go, and a replay afterwards neither finds its key nor misses it.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby

import structlog
from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from ledger import events as e
from ledger.application import Ledger
from ledger.envelope import Event, Fact, Sealed
from ledger.errors import Corrupt, Erased
from ledger.following import Bell, keep_up
from ledger.keys import Keys, owner_of
from ledger.sql import query
from projections.connections import reading
from projections.port import Pool
from projections.positions import Lag
from projections.words import folded

NAME = "search"
VERSION = 2
"""Raise it when what is indexed changes: an index of another version is made anew."""
BATCH_EVENTS_MAX = 2_000
WORDS_CHARS_MAX = 200_000
"""Of one fact; PostgreSQL holds a megabyte of words."""
PACE_S = 0.1
"""Pause behind a batch that was not full, in seconds: what is appended meanwhile goes together."""
WAIT_STEP_S = 0.02
"""Time between two looks at a position that is waited for, in seconds."""
ENSURE_LOCK = 7305811
"""Key of the advisory lock under which the tables are made."""

OnProgress = Callable[[int, int], None]
"""Called with the position that was come to and the ledger's head."""

TEXTS: dict[type[Fact], tuple[str, ...]] = {
    e.RenderIntent: ("prompt", "text_fields"),
    e.RenderDenied: ("message",),
    e.RenderSubmissionRefused: ("message",),
    e.RenderSubmissionUnknown: ("message",),
    e.RenderAttemptFailed: ("message",),
    e.RenderFailed: ("message",),
    e.RenderAssetLost: ("message",),
    e.CharacterRefused: ("message",),
    e.CallerRecorded: ("prompt",),
}
"""The fields whose words are found. None of them is a secret."""
_PICKED = frozenset({*(fact.TYPE for fact in TEXTS), e.SubjectErased.TYPE})
_SQL = "projections.sql.search"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """The words of one fact, and whose key they were sealed with."""

    position: int
    tenant: str
    requester: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Gone:
    """A render or requester whose words are not to be found any more."""

    subject: str


class Search:
    """Keeps the index of words up with the ledger. Any number of processes may; they take turns.

    Raises ledger.errors.Unavailable when the database does not answer.
    """

    def __init__(self, ledger: Ledger, keys: Keys, pool: Pool) -> None:
        self._ledger = ledger
        self._keys = keys
        self._pool = pool

    def ensure(self) -> None:
        """Makes the tables unless they are there. An index of another version, or ahead of the ledger, begins anew."""
        with reading(self._pool) as connection, connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", (ENSURE_LOCK,))
            connection.execute(query("schema", _SQL))
            connection.execute(query("begin", _SQL), {"version": VERSION})
            version, position = _reached(connection)
            if version != VERSION or position > self._ledger.head():
                _clear(connection)

    def drop(self) -> None:
        """Removes the index: nothing that was sealed is left open."""
        with reading(self._pool) as connection:
            connection.execute(query("drop", _SQL))

    def clear(self) -> None:
        """Begins anew. Until it has caught up, nobody is answered from it."""
        with reading(self._pool) as connection, connection.transaction():
            _clear(connection)

    def reached(self) -> int:
        """The position the index has come to."""
        with reading(self._pool) as connection:
            return _reached(connection)[1]

    def lag(self) -> Lag:
        """How far the index is behind the ledger."""
        with reading(self._pool) as connection, connection.cursor(row_factory=class_row(Lag)) as cursor:
            found = cursor.execute(query("lag", _SQL)).fetchone()
            assert found is not None  # noqa: S101 - `ensure` made it
            return found

    def wait_for(self, position: int, timeout_s: float) -> bool:
        """Whether the index had everything up to `position` within `timeout_s`, whoever keeps it."""
        gives_up_at = time.monotonic() + timeout_s
        while self.reached() < position:
            if time.monotonic() >= gives_up_at:
                return False
            time.sleep(WAIT_STEP_S)
        return True

    def catch_up(self, on_progress: OnProgress = lambda _done, _total: None) -> int:
        """Takes in all there is. Returns the position it came to. Whatever dies, it goes on from there."""
        while self.step():
            on_progress(self.reached(), self._ledger.head())
        return self.reached()

    def run(self, stop: threading.Event, bell: Bell) -> None:
        """Follows until `stop` is set. A database that does not answer is waited for."""
        with closing(bell):
            keep_up(self.step, stop, bell, waits="search_waits", pace_s=PACE_S)

    def step(self) -> int:
        """Takes in one batch. Returns how many events it had, 0 when there was nothing."""
        began = self.reached()
        found, last = self._ledger.pick(began, _PICKED, limit=BATCH_EVENTS_MAX)
        if last == began:
            return 0
        # Closed segments and keys are read before the turn is taken: however long that takes, nobody waits for it.
        said = list(self._in_order(found))
        with self._turn() as (connection, position):
            if position != began:  # somebody else took the batch in, or the index began anew
                return last - began
            for is_entries, group in groupby(said, key=lambda each: isinstance(each, Entry)):
                with connection.cursor() as cursor:
                    cursor.executemany(query("add" if is_entries else "forget", _SQL), [asdict(each) for each in group])
            # The words and the position are committed together: a crash before leaves both as they were.
            connection.execute(query("move", _SQL), {"position": last, "version": VERSION})
        return last - began

    def _in_order(self, events: Sequence[Event]) -> Iterator[Entry | Gone]:
        """The entries of events, and what was erased, in the ledger's order; keys are read once for all."""
        sealed = {event.event_id: [*_sealed(event.fact)] for event in events}
        opened = self._opened([text for texts in sealed.values() for text in texts])
        for event in events:
            if isinstance(event.fact, e.SubjectErased):
                yield Gone(event.fact.subject)
                continue
            texts = [opened[each] for each in sealed[event.event_id]] or [*_plain(event.fact)]
            text = folded("\n".join(filter(None, texts)))[:WORDS_CHARS_MAX].replace("\0", " ")
            if text and event.position is not None:
                yield Entry(event.position, event.context.tenant, *_owner(event, sealed[event.event_id]), text)

    def _opened(self, sealed: Sequence[Sealed]) -> Mapping[Sealed, str | None]:
        """Texts in the clear, None for what was erased and for what is damaged: it hinders no other."""
        try:
            return self._keys.open_all(sealed)
        except Corrupt:
            found = {each: self._opened_alone(each) for each in sealed}
        log.error("search_texts_damaged", texts=sum(each is None for each in found.values()))
        return found

    def _opened_alone(self, sealed: Sealed) -> str | None:
        try:
            return self._keys.open(sealed)
        except (Corrupt, Erased):
            return None

    @contextmanager
    def _turn(self) -> Iterator[tuple[Connection[TupleRow], int]]:
        with reading(self._pool) as connection, connection.transaction():
            row = connection.execute(query("take", _SQL)).fetchone()
            assert row is not None  # noqa: S101 - `ensure` made it
            yield connection, row[0]


def _sealed(fact: Fact) -> Iterator[Sealed]:
    for name in TEXTS.get(type(fact), ()):
        value = getattr(fact, name)
        if isinstance(fact, e.RenderDenied) or value is None:
            continue
        yield from value.values() if isinstance(value, dict) else [value]


def _plain(fact: Fact) -> Iterator[str]:
    if isinstance(fact, e.RenderDenied):
        yield fact.message


def _owner(event: Event, sealed: Sequence[Sealed]) -> tuple[str, str]:
    """The requester and the subject of a text's key; of what was never sealed, its render."""
    return owner_of(sealed[0]) if sealed else ("", f"video_{event.stream.rpartition(':')[2]}")


def _reached(connection: Connection[TupleRow]) -> tuple[int, int]:
    row = connection.execute(query("reached", _SQL)).fetchone()
    assert row is not None  # noqa: S101 - `ensure` made it
    return row[0], row[1]


def _clear(connection: Connection[TupleRow]) -> None:
    connection.execute(query("take", _SQL))
    connection.execute(query("clear", _SQL))
    connection.execute(query("move", _SQL), {"position": 0, "version": VERSION})
