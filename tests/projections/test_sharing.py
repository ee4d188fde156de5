"""Several processes replay a ledger, each its share, and it comes to what one makes of it."""  # noqa: INP001

import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain, groupby

import pytest
from render_histories import Author, Tables, insert_raw

from ledger.application import Ledger
from ledger.payloads import unread
from projections import shares
from projections.audit import AUDIT
from projections.errors import RebuildRefused, ShareLost
from projections.port import Pool, Projection, TableRow
from projections.projector import Projector
from projections.rebuild import Rebuild
from projections.replay import _folded, _unfolded
from projections.sharing import Work, _numbers, _started
from projections.spend import SPEND
from projections.story import Story
from projections.videos import VIDEOS

DEEDS = 60


@pytest.fixture(autouse=True)
def _shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ledgers are shared, too."""
    monkeypatch.setattr("projections.sharing.SHARED_EVENTS_MIN", 1)
    monkeypatch.setattr("projections.shares.SAMPLE_PERCENT", 100)


@pytest.fixture
def head(author: Author) -> int:
    """Of a ledger with some of everything."""
    chance = random.Random(5)  # noqa: S311 - no secret
    for _ in range(DEEDS):
        author.anything(chance)
    return author.flush()


def test_every_event_is_in_one_share_and_every_stream_whole(
    ledger: Ledger, pool: Pool, projections: list[Projection], head: int
) -> None:
    def nothing(_story: Story) -> Iterable[TableRow]:
        return ()

    everything = replace(VIDEOS, categories=None, rows=nothing)
    events = {event.position: event for event in ledger.read(0)}
    for chosen in (projections, [VIDEOS], [VIDEOS, SPEND], [AUDIT], [everything], [everything, SPEND]):
        wanted = {position for position, event in events.items() if any(each.reads(event.stream) for each in chosen)}
        for number in (1, 2, 3):
            met = Counter[int]()
            whole = Counter[str]()
            with pool.connection() as connection:
                assert shares.count(connection, chosen, until=head) == len(wanted)
                parts = shares.cut(connection, chosen, until=head, number=number)
                for part in parts:
                    with connection.transaction():
                        batches = [*_folded(connection, part), *_unfolded(connection, part)]
                    for stream, rows in groupby(chain.from_iterable(batches), key=lambda row: row[1]):
                        of_stream = list(rows)
                        met.update(row[0] for row in of_stream)
                        versions = [row[2] for row in of_stream]
                        whole[stream] += versions == [*range(1, len(versions) + 1)]
            assert len(parts) == number
            assert dict.fromkeys(wanted, 1) == met
            folded = {event.stream for event in events.values() if any(_folds(each, event.stream) for each in chosen)}
            assert {whole[stream] for stream in folded} <= {1}


def _folds(projection: Projection, stream: str) -> bool:
    return projection.rows is not None and projection.reads(stream)


@pytest.mark.usefixtures("head")
def test_two_processes_make_the_rows_of_one(rebuild: Rebuild, projector: Projector, tables: Tables) -> None:
    head = projector.catch_up()
    live = tables.everything()
    told: list[tuple[int, int]] = []
    rebuild.rebuild(on_progress=lambda done, total: told.append((done, total)))
    assert tables.everything() == live
    assert told[0] == (0, head)
    assert told[-1] == (head, head)
    assert told == sorted(told)


@pytest.mark.usefixtures("head")
def test_a_bad_event_that_the_other_process_meets_is_named(
    ledger_database: str, rebuild: Rebuild, projector: Projector, author: Author, tables: Tables
) -> None:
    projector.catch_up()
    live = tables.everything()
    last = max(author.renders)
    insert_raw(ledger_database, last, author.heads[last] + 1, "render.progress", b'{"f":{},"v":1}')
    with pytest.raises(RebuildRefused, match=f"{last}: invalid_event") as refused:
        rebuild.rebuild("videos")
    assert (refused.value.name, refused.value.stream) == ("videos", last)
    assert tables.everything() == live


def test_an_interrupt_meant_for_the_command_does_not_end_the_other_process_while_it_loads(
    ledger_database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    work = Work(url=ledger_database, projections=(), payloads=unread)
    with _numbers(0) as numbers, _started(work, (), numbers) as process:
        (child,) = multiprocessing.active_children()
        assert child.pid is not None
        os.kill(child.pid, signal.SIGINT)
        process.wait(lambda: None)
    assert capfd.readouterr().err == ""


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C."""


def _kill() -> None:
    multiprocessing.active_children()[0].kill()


def _interrupt() -> None:
    raise Interrupted


@pytest.mark.usefixtures("head")
@pytest.mark.parametrize(("happens", "error"), [(_kill, ShareLost), (_interrupt, Interrupted)])
def test_a_process_that_is_killed_or_left_alone_does_no_harm(
    *,
    happens: Callable[[], None],
    error: type[BaseException],
    pool: Pool,
    rebuild: Rebuild,
    projector: Projector,
    tables: Tables,
) -> None:
    projector.catch_up()
    live = tables.everything()
    with pytest.raises(error):
        rebuild.rebuild("videos", on_progress=lambda done, _total: happens() if done else None)
    assert multiprocessing.active_children() == []
    assert tables.everything() == live
    with pool.connection() as connection:
        assert connection.execute("select from pg_namespace where nspname like '%\\_next'").fetchall() == []
