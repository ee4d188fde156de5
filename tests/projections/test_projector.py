import threading  # noqa: INP001 - tests/ holds rooms, it is no package
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from render_histories import Author, Tables, insert_raw

from ledger import streams
from ledger.application import Ledger
from ledger.events import TYPES, RenderCompleted, RenderDeleted, RenderFailed, RenderPurged
from ledger.following import PostgresBell
from ledger.mapper import FactMapper
from ledger.recorder import PostgresRecorder
from projections import schemas
from projections.audit import AUDIT
from projections.port import Pool, Projection, TableRow
from projections.projector import Projector
from projections.rebuild import Rebuild
from projections.story import Story
from projections.videos import VIDEOS, rows
from projections.work import WORK


@contextmanager
def running(projector: Projector, url: str) -> Iterator[threading.Thread]:
    stop = threading.Event()
    thread = threading.Thread(target=projector.run, args=(stop, PostgresBell(url, stop)))
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def parked(pool: Pool) -> list[tuple[str, str, int, str]]:
    with pool.connection() as connection:
        return connection.execute(
            "select name, stream, position, error_code from projections.parked order by name, stream"
        ).fetchall()


def test_ensure_may_run_again_and_in_many_processes_at_once(
    ledger: Ledger, pool: Pool, projections: list[Projection], author: Author, tables: Tables
) -> None:
    author.stored_render()
    author.flush()
    with pool.connection() as connection:
        for each in projections:
            schemas.drop(connection, each.schema)
        connection.execute("drop schema projections cascade")
    threads = [threading.Thread(target=Projector(ledger, pool, projections).ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    projector = Projector(ledger, pool, projections)
    projector.catch_up()
    live = tables.everything()
    assert projector.ensure() == []
    assert tables.everything() == live


def test_two_projectors_apply_every_event_once(
    *, ledger: Ledger, pool: Pool, projections: list[Projection], projector: Projector, author: Author, tables: Tables
) -> None:
    done = threading.Event()
    failures: list[BaseException] = []

    def follow() -> None:
        mine = Projector(ledger, pool, projections)
        try:
            while not done.is_set():
                mine.catch_up()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=follow) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        author.stored_render()
        author.flush()
    head = ledger.head()
    assert projector.wait_for("audit", head, 10)
    assert projector.wait_for("work", head, 10)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [row[0] for row in sorted(tables.rows(AUDIT, "events"))] == list(range(1, head + 1))


class Crash(BaseException):
    """The process is gone."""


def test_a_crash_before_the_commit_leaves_nothing_and_loses_nothing(
    ledger: Ledger, pool: Pool, projector: Projector, author: Author, tables: Tables
) -> None:
    author.stored_render()
    author.flush()

    def crash_late(_story: Story) -> Iterable[TableRow]:
        raise Crash

    dies = Projector(ledger, pool, [AUDIT, replace(VIDEOS, rows=crash_late)])
    with pytest.raises(Crash):
        dies.catch_up()
    assert {each.name: each.position for each in projector.lag()}["videos"] == 0
    assert tables.rows(VIDEOS, "videos") == []

    projector.catch_up()
    assert len(tables.rows(AUDIT, "events")) == ledger.head()
    assert len(tables.rows(VIDEOS, "videos")) == 1


def test_a_session_killed_in_the_middle_of_a_batch_leaves_it_unapplied(
    ledger: Ledger, pool: Pool, projector: Projector, author: Author, tables: Tables
) -> None:
    author.stored_render()
    author.flush()

    def kill_writers(story: Story) -> Iterable[TableRow]:
        with pool.connection() as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where state = 'idle in transaction' and datname = current_database() and pid <> pg_backend_pid()"
            )
        return rows(story)

    dies = Projector(ledger, pool, [replace(VIDEOS, rows=kill_writers)])
    with pytest.raises(psycopg.OperationalError):
        dies.catch_up()
    assert tables.rows(VIDEOS, "videos") == []
    projector.catch_up()
    assert len(tables.rows(VIDEOS, "videos")) == 1


@pytest.mark.slow
def test_following_goes_on_after_the_server_ended_its_connections(
    ledger_database: str, ledger: Ledger, projector: Projector, author: Author
) -> None:
    with running(projector, ledger_database) as thread:
        for _ in range(3):
            author.stored_render()
            assert projector.wait_for("work", author.flush(), 10)
            with psycopg.connect(ledger_database, autocommit=True) as connection:
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid()"
                )
        author.stored_render()
        head = author.flush()
        assert all(projector.wait_for(each.name, head, 10) for each in projector.lag())
        assert thread.is_alive()


def test_a_follower_wakes_up_at_once(ledger_database: str, projector: Projector, author: Author) -> None:
    with running(projector, ledger_database):
        author.stored_render()
        assert projector.wait_for("work", author.flush(), 10)
        time.sleep(0.1)
        author.stored_render()
        head = author.flush()
        assert projector.wait_for("work", head, 0.8)  # POLL_S is longer


def test_a_bad_event_parks_its_stream_and_the_others_go_on(
    ledger_database: str, pool: Pool, projector: Projector, author: Author, tables: Tables
) -> None:
    bad, good = author.queued_render(), author.queued_render()
    author.flush()
    projector.catch_up()
    before = tables.rows(VIDEOS, "videos")
    position = insert_raw(ledger_database, bad, author.heads[bad] + 1, "render.completed", b"{}")
    author.write(good, RenderCompleted())
    author.flush()

    assert projector.catch_up() == author.ledger.head()

    after = tables.rows(VIDEOS, "videos")
    assert [row for row in after if row[0] == bad] == [row for row in before if row[0] == bad]
    assert [row[7] for row in after if row[0] == good] == ["completed"]
    assert {(name, stream, code) for name, stream, _, code in parked(pool)} == {
        (name, bad, "invalid_event") for name in ("videos", "lineage", "audit", "work")
    }
    assert {stands for _, _, stands, _ in parked(pool)} == {position}
    assert {each.name: each.parked for each in projector.lag()} == {
        **dict.fromkeys(("videos", "lineage", "audit", "work"), 1),
        "endpoints": 0,
        "api_keys": 0,
        "spend": 0,
    }


def test_facts_in_an_impossible_order_park_only_where_they_are_folded(
    ledger_database: str, pool: Pool, projector: Projector, author: Author
) -> None:
    stream = author.queued_render()
    author.flush()
    payload = b'{"f":{"code":"x","failed_by":"bickford","status":"failed"},"v":1}'
    insert_raw(ledger_database, stream, author.heads[stream] + 1, "render.failed", payload)
    insert_raw(ledger_database, stream, author.heads[stream] + 2, "render.failed", payload)
    projector.catch_up()
    assert [(name, code) for name, _, _, code in parked(pool)] == [
        ("videos", "impossible_step"),
        ("work", "impossible_step"),
    ]


def test_text_that_a_table_cannot_hold_parks_its_stream(
    pool: Pool, projector: Projector, author: Author, tables: Tables
) -> None:
    bad, good = author.queued_render(), author.stored_render()
    author.write(bad, RenderFailed(code="nul \0", failed_by="renderer"))
    author.flush()
    projector.catch_up()
    assert {(name, stream) for name, stream, _, _ in parked(pool)} == {("audit", bad), ("videos", bad)}
    assert [row[0] for row in tables.rows(VIDEOS, "videos")] == [good]


def test_a_parked_stream_is_whole_again_after_the_upgrade(
    *, ledger_database: str, pool: Pool, ledger: Ledger, projector: Projector, author: Author, tables: Tables
) -> None:
    streams_ = [author.stored_render(), author.stored_render()]
    author.write(streams_[0], RenderDeleted())
    author.flush()
    old_ledger = Ledger(PostgresRecorder(pool))
    old_ledger._mapper = FactMapper({name: fact for name, fact in TYPES.items() if fact is not RenderDeleted})
    old = Projector(old_ledger, pool, [AUDIT])
    old.catch_up()
    author.write(streams_[0], RenderPurged(renderer_copy="deleted", assets_deleted=3))
    author.flush()
    old.catch_up()
    assert [stream for _, stream, _, _ in parked(pool)] == [streams_[0]]
    old_ledger.close()

    projector.catch_up()
    projector.retry_parked()

    assert parked(pool) == []
    assert [row[0] for row in sorted(tables.rows(AUDIT, "events"))] == list(range(1, ledger.head() + 1))


def test_a_parked_stream_is_tried_again_with_its_next_event(
    pool: Pool, ledger: Ledger, projector: Projector, author: Author, tables: Tables
) -> None:
    stream = author.stored_render()
    author.flush()

    def fails(_story: Story) -> Iterable[TableRow]:
        raise LookupError("an older program")

    Projector(ledger, pool, [replace(each, rows=fails) for each in (VIDEOS, WORK)]).catch_up()
    assert [name for name, _, _, _ in parked(pool)] == ["videos", "work"]
    author.write(stream, RenderDeleted())
    author.flush()
    projector.catch_up()
    assert parked(pool) == []
    assert [row[-1] for row in tables.rows(VIDEOS, "videos")] == [ledger.head()]


def test_a_changed_version_asks_for_a_rebuild_and_is_not_followed(
    pool: Pool, ledger: Ledger, projector: Projector, author: Author, tables: Tables
) -> None:
    author.stored_render()
    author.flush()
    projector.catch_up()
    live = tables.rows(VIDEOS, "videos")
    newer = replace(VIDEOS, version=VIDEOS.version + 1)
    upgraded = Projector(ledger, pool, [newer, AUDIT])
    assert upgraded.ensure() == ["videos"]
    author.stored_render()
    head = author.flush()
    upgraded.catch_up()
    assert tables.rows(VIDEOS, "videos") == live

    Rebuild(ledger, pool, [newer]).rebuild("videos")
    assert upgraded.ensure() == []
    author.stored_render()
    author.flush()
    projector.catch_up()  # the older program leaves the newer tables alone
    assert len(tables.rows(VIDEOS, "videos")) == 2
    upgraded.catch_up()
    assert len(tables.rows(VIDEOS, "videos")) == 3
    assert head < ledger.head()


def test_lag_is_shown_in_events_and_seconds(projector: Projector, author: Author) -> None:
    assert {(each.lag_events, each.lag_s) for each in projector.lag()} == {(0, 0.0)}
    author.stored_render()
    head = author.flush()
    time.sleep(0.05)
    behind = projector.lag()
    assert {(each.position, each.head, each.lag_events) for each in behind} == {(0, head, head)}
    assert all(0.05 <= each.lag_s < 10 for each in behind)
    assert not projector.wait_for("videos", head, 0.05)
    projector.catch_up()
    assert {(each.lag_events, each.lag_s) for each in projector.lag()} == {(0, 0.0)}
    assert projector.wait_for("videos", head, 0)


def test_one_far_behind_does_not_hold_up_the_others(
    pool: Pool, ledger: Ledger, projector: Projector, author: Author, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projections.projector.BATCH_EVENTS_MAX", 5)
    for _ in range(5):
        author.stored_render()
    author.flush()
    Projector(ledger, pool, [VIDEOS]).catch_up()
    author.stored_render()
    author.flush()
    projector.step()
    at = {each.name: each.position for each in projector.lag()}
    assert at["videos"] > 5 == at["audit"]
    assert projector.catch_up() == ledger.head()


def test_a_stream_is_named_by_its_category() -> None:
    assert WORK.reads(streams.webhook("openai", "main", "wh_1"))
    assert not VIDEOS.reads(streams.webhook("openai", "main", "wh_1"))
    assert AUDIT.reads("spend:acme")
