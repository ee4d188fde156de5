"""A process that was too slow, or whose connection died under a call, learns that the database was away: no more."""

import time
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import psycopg
import pytest

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger.committer import ConnectionBroken
from ledger.errors import Unavailable
from ledger.recorder import PostgresRecorder
from ledger.sending import Pool, Sender
from projections.announced import Announced

PATIENCE_S = 0.5


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """A pool of connections whose idle transactions end at once."""
    migrate(database_url, files("ledger.migrations"), schema="ledger")
    with open_pool(database_url, size_max=3, idle_in_transaction_timeout_s=PATIENCE_S) as opened:
        yield opened


def test_a_turn_that_was_taken_away_takes_nothing_from_what_was_done_in_it(pool: Pool) -> None:
    recorder = PostgresRecorder(pool)
    with recorder.turn("somebody's"):
        time.sleep(4 * PATIENCE_S)
    recorder.close()


def test_an_announcer_that_was_too_slow_is_told_that_the_database_was_away(pool: Pool) -> None:
    announced = Announced(pool)
    announced.ensure(0)
    with pytest.raises(Unavailable):
        dawdle(announced)


def dawdle(announced: Announced) -> None:
    with announced.turn() as turn:
        assert turn is not None
        time.sleep(4 * PATIENCE_S)


def test_what_libpq_itself_complains_of_is_a_broken_connection(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def died(*_: Any) -> None:
        raise psycopg.DatabaseError("server closed the connection unexpectedly")

    sender = Sender(pool)
    monkeypatch.setattr("ledger.sending._prepare", died)
    with pytest.raises(ConnectionBroken):
        sender.send([])
    sender.close()
