"""Whether a database that a process connects to again still has the facts that the process knows.

A copy that lagged behind, and was promoted, lacks the end of the ledger. A process that went on with it would hold
heads of facts that are gone: what it decides would be refused for ever or, once others had recorded as many, be
recorded although it was decided on another history.
"""

import threading
from collections.abc import Callable
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.sql import query

log = structlog.get_logger(__name__)


class FactsLost(psycopg.OperationalError):
    """The database lacks facts that it had acknowledged."""


class Continuity:
    """The newest fact that this process knows. Safe to use from several threads."""

    def __init__(self, on_lost: Callable[[], None] = lambda: None) -> None:
        """`on_lost` is called before anything is asked of a database that lacks facts; what it ends stays ended."""
        self._on_lost = on_lost
        self._newest: tuple[int, UUID] | None = None
        self._seeing = threading.Lock()

    def saw(self, position: int, event_id: UUID) -> None:
        """A fact that was recorded, or read."""
        with self._seeing:
            if self._newest is None or position > self._newest[0]:
                self._newest = position, event_id

    def check(self, connection: Connection[TupleRow]) -> None:
        """Raises FactsLost for a database that takes writes and lacks the newest fact. A standby may lag behind."""
        newest = self._newest
        if newest is None:
            return
        [(is_there, head)] = connection.execute(query("still_has"), newest).fetchall()
        if not is_there:
            log.error("ledger_lost_facts", known_position=newest[0], head=head)
            self._on_lost()
            raise FactsLost(f"this database lacks facts: position {newest[0]} is not the one that was known")
