import threading  # noqa: INP001 - tests/ holds rooms, it is no package
import time
from collections.abc import Iterable
from dataclasses import replace

import psycopg
import pytest
from render_histories import Author, Tables, insert_raw

from bickford_sora.database.pool import open_pool
from ledger.application import Ledger
from ledger.events import JobClaimed
from ledger.mapper import encode
from ledger.streams import job
from projections.audit import AUDIT
from projections.errors import RebuildRefused, RebuildRunning, SwapBlocked, UnknownProjection
from projections.port import Pool, Projection, TableRow
from projections.projector import Projector
from projections.rebuild import Rebuild
from projections.story import Story
from projections.videos import VIDEOS, Videos

PAUSE_S = 0.002
"""Between two acts of who goes on for ever: the more they do, the longer a rebuild takes, and the more they do."""

SWAP_S = 10.0
CLAIM = encode(JobClaimed(renderer="vllm", credential="main", job_id="job_1", video_id="video_1"))


def schemas(pool: Pool) -> list[str]:
    with pool.connection() as connection:
        rows = connection.execute("select nspname from pg_namespace where nspname like 'projection\\_%' order by 1")
        return [name for (name,) in rows]


LIVE_SCHEMAS = [
    f"projection_{name}" for name in ("api_keys", "audit", "endpoints", "lineage", "spend", "videos", "work")
]


SHAPE = """
select n.nspname, c.relname, c.relkind, c.reloptions, pg_get_indexdef(c.oid),
       array(select pg_get_constraintdef(oid) from pg_constraint where c.oid in (conrelid, conindid) order by 1),
       array(select pg_get_statisticsobjdef(s.oid) from pg_statistic_ext s where s.stxrelid = c.oid order by 1)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname like 'projection\\_%' and c.relkind in ('r', 'i')
order by 1, 2
"""
"""Tables with their indexes, keys, statistics and settings."""


@pytest.mark.usefixtures("projector")
def test_rebuilt_tables_are_in_all_else_like_those_that_were_followed(pool: Pool, rebuild: Rebuild) -> None:
    with pool.connection() as connection:
        followed = connection.execute(SHAPE).fetchall()
        assert followed
        rebuild.rebuild()
        assert connection.execute(SHAPE).fetchall() == followed


def test_a_bad_event_refuses_the_rebuild_and_the_live_version_stays(
    *, ledger_database: str, pool: Pool, projector: Projector, rebuild: Rebuild, author: Author, tables: Tables
) -> None:
    stream = author.stored_render()
    author.flush()
    projector.catch_up()
    insert_raw(ledger_database, stream, author.heads[stream] + 1, "render.unheard_of", b'{"f":{},"v":1}')
    live = tables.everything()
    with pytest.raises(RebuildRefused) as refused:
        rebuild.rebuild("videos")
    assert refused.value.stream == stream
    assert "unknown_event_type" in str(refused.value)
    assert tables.everything() == live
    assert schemas(pool) == LIVE_SCHEMAS


@pytest.mark.parametrize(
    "payload", [b'{"f":{},"v":1}', CLAIM[:-1], CLAIM + b"," + CLAIM, CLAIM.replace(b'"v":1', b'"v":9')]
)
def test_a_bad_event_that_nobody_folds_refuses_the_rebuild(
    *, ledger_database: str, rebuild: Rebuild, author: Author, payload: bytes
) -> None:
    author.stored_render()
    author.flush()
    stream = job("vllm", "main", "job_1")
    insert_raw(ledger_database, stream, 1, "job.claimed", CLAIM)
    rebuild.rebuild()
    insert_raw(ledger_database, stream, 2, "job.claimed", payload)
    with pytest.raises(RebuildRefused) as refused:
        rebuild.rebuild()
    assert refused.value.stream == stream


def test_a_bad_event_that_comes_after_the_replay_refuses_the_swap(
    *, ledger_database: str, pool: Pool, projector: Projector, rebuild: Rebuild, author: Author, tables: Tables
) -> None:
    stream = author.stored_render()
    author.flush()
    projector.catch_up()
    live = tables.everything()

    def spoil(done: int, total: int) -> None:
        if done == total:
            insert_raw(ledger_database, stream, author.heads[stream] + 1, "render.progress", b"{}")

    with pytest.raises(RebuildRefused):
        rebuild.rebuild("videos", on_progress=spoil)
    assert tables.everything() == live
    assert schemas(pool) == LIVE_SCHEMAS


def test_a_row_that_a_table_cannot_hold_refuses_the_rebuild(
    ledger_database: str, rebuild: Rebuild, author: Author
) -> None:
    stream = author.queued_render()
    author.flush()
    payload = rb'{"f":{"code":"nul \u0000","failed_by":"renderer","message":null,"status":"failed"},"v":1}'
    insert_raw(ledger_database, stream, author.heads[stream] + 1, "render.failed", payload)
    with pytest.raises(RebuildRefused, match="NUL") as refused:
        rebuild.rebuild("videos")
    assert refused.value.stream == stream
    with pytest.raises(RebuildRefused, match="version 5: UntranslatableCharacter"):
        rebuild.rebuild("audit")


def test_a_rebuild_takes_parked_streams_back(
    pool: Pool, ledger: Ledger, projector: Projector, rebuild: Rebuild, author: Author
) -> None:
    author.stored_render()
    author.flush()

    def fails(_story: Story) -> Iterable[TableRow]:
        raise LookupError("an older program")

    Projector(ledger, pool, [replace(VIDEOS, rows=fails)]).catch_up()
    projector.catch_up()
    assert {each.name: each.parked for each in projector.lag()}["videos"] == 1
    rebuild.rebuild("videos")
    assert {each.name: each.parked for each in projector.lag()}["videos"] == 0


def test_a_slow_reader_freezes_neither_the_swap_nor_other_readers(
    *,
    ledger_database: str,
    pool: Pool,
    projector: Projector,
    rebuild: Rebuild,
    author: Author,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.rebuild.SWAP_LOCK_TIMEOUT_S", SWAP_S)  # for so long others would wait behind it
    for _ in range(3):
        author.stored_render()
    author.flush()
    projector.catch_up()
    slowest_s = 0.0
    swapped = threading.Event()

    def read_on() -> None:
        nonlocal slowest_s
        videos = Videos(pool)
        while not swapped.is_set():
            began = time.monotonic()
            assert len(videos.page("acme", "film").videos) == 3
            slowest_s = max(slowest_s, time.monotonic() - began)

    with psycopg.connect(ledger_database) as slow, slow.cursor("slow") as cursor:
        cursor.execute("select * from projection_videos.videos order by video_id")
        assert cursor.fetchone() is not None
        reader = threading.Thread(target=read_on)
        reader.start()
        rebuild.rebuild("videos")
        swapped.set()
        reader.join()
        assert slowest_s < SWAP_S / 2
        (left,) = (name for name in schemas(pool) if name not in LIVE_SCHEMAS)
        assert left.startswith("projection_videos_old_")
        assert len(cursor.fetchall()) == 2  # the slow reader reads on, in the old table
    rebuild.rebuild("videos")
    assert schemas(pool) == LIVE_SCHEMAS


def test_a_held_position_blocks_the_swap_for_a_bounded_time(
    *,
    ledger_database: str,
    pool: Pool,
    projector: Projector,
    rebuild: Rebuild,
    author: Author,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("projections.rebuild.SWAP_LOCK_TIMEOUT_S", 0.05)
    monkeypatch.setattr("projections.rebuild.SWAP_TRIES_MAX", 3)
    author.stored_render()
    author.flush()
    with psycopg.connect(ledger_database) as holder:
        holder.execute("select from projections.positions where name = 'videos' for update")
        with pytest.raises(SwapBlocked):
            rebuild.rebuild("videos")
    assert schemas(pool) == LIVE_SCHEMAS
    rebuild.rebuild("videos")


def test_a_rebuild_while_writers_append_and_a_projector_follows(
    ledger_database: str, ledger: Ledger, projector: Projector, projections: list[Projection], tables: Tables
) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def forever(act: object) -> threading.Thread:
        def run() -> None:
            try:
                while not stop.wait(PAUSE_S):
                    act()  # type: ignore[operator]
            except BaseException as error:
                failures.append(error)
                raise

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    authors = [Author(ledger, tenant=tenant, job_prefix=tenant) for tenant in ("acme", "zeta")]

    def write(author: Author) -> None:
        author.stored_render()
        author.flush()

    threads = [forever(lambda author=author: write(author)) for author in authors]
    threads.append(forever(projector.catch_up))
    with open_pool(ledger_database, size_max=4) as pool:
        try:
            for _ in range(3):
                rebuilt = Rebuild(ledger, pool, projections).rebuild()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert failures == []
    assert min(each.position for each in rebuilt) > 0
    head = projector.catch_up()
    assert head == ledger.head()
    assert [row[0] for row in sorted(tables.rows(AUDIT, "events"))] == list(range(1, head + 1))
    live = tables.everything()
    Rebuild(ledger, projector._pool, projections).rebuild()
    assert tables.everything() == live


def test_a_swap_never_takes_a_projection_back(
    projector: Projector, rebuild: Rebuild, author: Author, ledger: Ledger
) -> None:
    author.stored_render()
    author.flush()

    def follow_meanwhile(_done: int, _total: int) -> None:
        author.stored_render()
        author.flush()
        projector.catch_up()

    rebuilt = rebuild.rebuild(on_progress=follow_meanwhile)
    assert {each.position for each in rebuilt} == {ledger.head()}


def test_histories_that_take_long_to_read_are_caught_up_with_before_the_swap(
    ledger_database: str, pool: Pool, projector: Projector, author: Author, ledger: Ledger
) -> None:
    author.stored_render()
    author.flush()
    projector.catch_up()
    replayed = threading.Event()
    waits = []

    def rows(story: Story) -> Iterable[TableRow]:
        if replayed.is_set():
            with pool.connection() as other:
                found = other.execute("select from projections.positions where name = 'videos' for update skip locked")
                waits.append(found.rowcount == 0)
            time.sleep(4.0)
        assert VIDEOS.rows is not None
        return VIDEOS.rows(story)

    def write(done: int, total: int) -> None:
        if done == total and not replayed.is_set():
            replayed.set()
            author.stored_render()
            author.flush()

    with open_pool(ledger_database, size_max=4, idle_in_transaction_timeout_s=2.0) as impatient:
        (rebuilt,) = Rebuild(ledger, impatient, [replace(VIDEOS, rows=rows)]).rebuild(on_progress=write)
    assert rebuilt.position == ledger.head()
    assert waits == [False]  # nobody who follows had to wait


def test_two_rebuilds_of_one_projection_exclude_each_other(
    ledger: Ledger, pool: Pool, projections: list[Projection], rebuild: Rebuild, author: Author
) -> None:
    author.stored_render()
    author.flush()
    met: list[str] = []

    def rebuild_too(_done: int, _total: int) -> None:
        with pytest.raises(RebuildRunning):
            Rebuild(ledger, pool, projections).rebuild("videos")
        met.append("videos")
        Rebuild(ledger, pool, projections).rebuild("audit")

    rebuild.rebuild("videos", on_progress=rebuild_too)
    assert met
    rebuild.rebuild("videos")


class Interrupted(BaseException):
    """Somebody pressed Ctrl-C."""


def test_an_interrupted_rebuild_is_started_over_without_harm(
    *, pool: Pool, rebuild: Rebuild, projector: Projector, author: Author, tables: Tables, ledger: Ledger
) -> None:
    for _ in range(3):
        author.stored_render()
    author.flush()
    projector.catch_up()
    live = tables.everything()

    def interrupt(_story: Story) -> Iterable[TableRow]:
        raise Interrupted

    with pytest.raises(Interrupted):
        Rebuild(ledger, pool, [replace(VIDEOS, rows=interrupt)]).rebuild()
    with pool.connection() as connection:  # as a killed process leaves it
        connection.execute("create schema projection_videos_next")
        connection.execute("create table projection_videos_next.videos (stream text)")
    assert tables.everything() == live
    rebuild.rebuild()
    assert tables.everything() == live
    assert schemas(pool) == LIVE_SCHEMAS


def test_progress_is_told_from_nothing_to_all(rebuild: Rebuild, author: Author, ledger: Ledger) -> None:
    author.stored_render()
    author.webhook("job-1")
    author.flush()
    told: list[tuple[int, int]] = []
    rebuild.rebuild(on_progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, ledger.head())
    assert told[-1] == (ledger.head(), ledger.head())
    told.clear()
    rebuild.rebuild("videos", on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (6, 6)  # the render's own events


def test_an_unknown_name_is_refused(rebuild: Rebuild) -> None:
    with pytest.raises(UnknownProjection, match="nonsense"):
        rebuild.rebuild("videos", "nonsense")
