import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.clock import system_clock
from ledger.identifiers import id_maker, new_uuid7

from .ledger_facts import NOON


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds
def test_an_id_is_a_uuid7_of_its_clocks_millisecond(moment: datetime) -> None:
    made = new_uuid7(lambda: moment)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == int(moment.timestamp() * 1000)


def test_an_id_is_as_its_constructor_would_make_it() -> None:
    made = new_uuid7()
    twin = UUID(int=made.int)
    assert (made, hash(made), str(made), made.is_safe) == (twin, hash(twin), str(twin), twin.is_safe)
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - our own bytes


def test_no_id_is_made_of_a_time_it_cannot_hold() -> None:
    with pytest.raises(ValueError, match="before 1970"):
        new_uuid7(lambda: datetime(1969, 12, 31, tzinfo=UTC))


def test_ids_sort_by_the_time_they_were_made_and_differ_within_it() -> None:
    ticks = count()
    new_id = id_maker(lambda: NOON + timedelta(milliseconds=next(ticks)))
    made = [new_id() for _ in range(100)]
    assert made == sorted(made)
    assert len({new_uuid7(lambda: NOON) for _ in range(1_000)}) == 1_000


def test_the_systems_clock_is_aware_and_in_utc() -> None:
    assert system_clock().utcoffset() == timedelta(0)


FORK = """
import os
from ledger.identifiers import new_uuid7
new_uuid7()  # random bytes for more ids are drawn
child = os.fork()
if child:
    os.waitpid(child, 0)  # one after the other, so that their lines do not mix
print(*(str(new_uuid7())[-17:] for _ in range(200)), flush=True)
"""


def test_a_forked_child_makes_ids_of_its_own() -> None:
    run = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    made = run.stdout.split()
    assert len(made) == len(set(made)) == 400
