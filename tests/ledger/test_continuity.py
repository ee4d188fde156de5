"""A database that is connected to again, and lacks what this process knows."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.continuity import Continuity, FactsLost
from ledger.remembering import RememberingRecorder

from .ledger_facts import decision, new_stream


class LostError(Exception):
    """In the place of the end of the process."""


def forget_from(url: str, position: int) -> None:
    """As a standby that was promoted has it which the facts from this position on had not come to."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("alter table ledger.events disable trigger all")
        owner.execute("delete from ledger.events where position >= %s", (position,))
        owner.execute("alter table ledger.events enable trigger all")


@contextmanager
def ledger_of(url: str, continuity: Continuity) -> Iterator[Ledger]:
    with (
        open_pool(url, size_max=2, look=continuity.check) as pool,
        closing(RememberingRecorder(pool, continuity)) as recorder,
    ):
        yield Ledger(recorder)


def checked(url: str, continuity: Continuity) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        continuity.check(connection)


def told() -> None:
    raise LostError


def test_what_was_appended_is_looked_for_in_every_new_connection(ledger_url: str) -> None:
    continuity = Continuity(told)
    with ledger_of(ledger_url, continuity) as ledger:
        first = ledger.append(decision((new_stream(), 0))).first_position
        checked(ledger_url, continuity)
        forget_from(ledger_url, first)
    with pytest.raises(LostError):
        checked(ledger_url, continuity)


def test_another_fact_in_the_place_of_the_known_one_is_told_from_it(ledger_url: str) -> None:
    continuity = Continuity()
    with ledger_of(ledger_url, continuity) as ledger:
        first = ledger.append(decision((new_stream(), 0))).first_position
        forget_from(ledger_url, first)
    with ledger_of(ledger_url, Continuity()) as ledger:
        assert ledger.append(decision((new_stream(), 0))).first_position == first
    with pytest.raises(FactsLost, match=f"position {first} "):
        checked(ledger_url, continuity)


def test_what_others_recorded_and_this_process_read_counts_as_well(ledger_url: str) -> None:
    continuity, stream = Continuity(), new_stream()
    with ledger_of(ledger_url, Continuity()) as ledger:
        first = ledger.append(decision((stream, 0), facts=2)).first_position
    with ledger_of(ledger_url, continuity) as ledger:
        assert len(ledger.history(stream)) == 2
    forget_from(ledger_url, first + 1)
    with pytest.raises(FactsLost):
        checked(ledger_url, continuity)


def test_what_an_event_loop_appended_counts_as_well(ledger_url: str) -> None:
    continuity = Continuity()
    with ledger_of(ledger_url, continuity) as ledger:
        answers = asyncio.run(ledger.append_all([decision((new_stream(), 0)) for _ in range(3)]))
        assert len(answers) == 3
    checked(ledger_url, continuity)
    forget_from(ledger_url, 3)
    with pytest.raises(FactsLost, match="position 3 "):
        checked(ledger_url, continuity)


def test_what_was_noted_behind_the_look_at_a_new_connection_is_looked_for_when_it_is_taken(ledger_url: str) -> None:
    # The old primary's last answer is read while the pool has connected to the new one already.
    with ledger_of(ledger_url, Continuity()) as ledger:
        ledger.append(decision((new_stream(), 0), facts=2))
    with psycopg.connect(ledger_url, autocommit=True) as connection:
        [*_, last] = connection.execute("select position, event_id from ledger.events order by position").fetchall()
    forget_from(ledger_url, last[0])
    lost = threading.Event()
    continuity = Continuity(lost.set)
    with open_pool(ledger_url, size_max=1, look=continuity.check, checkout_timeout_s=0.5) as pool:
        pool.wait()
        continuity.saw(*last)
        with pytest.raises(PoolTimeout), pool.connection():
            pass
    assert lost.is_set()


def test_a_process_that_knows_nothing_takes_every_database(database_url: str) -> None:
    checked(database_url, Continuity(told))  # there is not even a ledger
