"""Background threads do not die in silence."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bickford_sora.composition.books import problems
from bickford_sora.composition.gateway import Gateway
from bickford_sora.workers import watch as watches
from bickford_sora.workers.watch import Watch
from ledger.keys import KEY_BYTES, Keys
from ledger.keystore import PostgresKeyStore
from ledger.recorder import PostgresRecorder


def kept(watch: Watch, run: Callable[[threading.Event], None], stop: threading.Event) -> None:
    thread = threading.Thread(target=watch.keep, args=("projector", run, stop))
    thread.start()
    thread.join(60)
    assert not thread.is_alive()


def test_a_thread_that_fails_goes_on_and_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "RESTART_S", 0.01)
    watch, runs = Watch(), []

    def run(stop: threading.Event) -> None:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError("positions have a gap")
        stop.set()

    assert watch.problems() == []
    kept(watch, run, threading.Event())
    assert len(runs) == 3
    assert watch.problems() == ["the projector failed: ValueError"]
    monkeypatch.setattr(watches, "FAILED_FOR_S", 0.0)
    runs.clear()
    kept(watch, run, threading.Event())
    assert watch.problems() == []


def test_what_fails_again_and_again_is_told_with_where_it_was_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "RESTART_S", 0.01)
    messages = ["run replay", "run replay", "a gap", "run replay"]

    def run(stop: threading.Event) -> None:
        if stop.is_set():
            return
        message = messages.pop(0)
        if not messages:
            stop.set()
        raise ValueError(message)

    with capture_logs() as told:
        kept(Watch(), run, threading.Event())
    assert [(each["error"], each["exc_info"]) for each in told] == [
        ("ValueError: run replay", True),
        ("ValueError: run replay", False),
        ("ValueError: a gap", True),
        ("ValueError: run replay", True),
    ]


def test_a_process_whose_background_failed_is_not_ready(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "RESTART_S", 0.01)
    assert problems(gateway.books) == []
    stop = threading.Event()

    def run(_stop: threading.Event) -> None:
        stop.set()
        raise AssertionError("positions have a gap")

    kept(gateway.books.watch, run, stop)
    assert problems(gateway.books) == ["the projector failed: AssertionError"]


def test_a_database_without_our_tables_is_no_ready_one(gateway: Gateway) -> None:
    with gateway.books.pool.connection() as connection:
        connection.execute("drop schema projections cascade")
    assert problems(gateway.books) == ["the read models' own tables are not there, or of another version"]


def test_a_process_stays_ready_when_a_newer_version_has_migrated_its_database(gateway: Gateway) -> None:
    with gateway.books.pool.connection() as connection:
        connection.execute("insert into ledger.migrations (number, name, sha256) values (9999, 'newer', 'its own')")
    assert problems(gateway.books) == []


def test_a_schema_that_was_migrated_otherwise_is_told_as_that(gateway: Gateway) -> None:
    with gateway.books.pool.connection() as connection:
        connection.execute("update ledger.migrations set sha256 = 'changed' where number = 1")
    assert problems(gateway.books) == ["the database's schema is not this program's: MigrationChangedError"]


def test_a_process_with_another_master_key_than_the_ledgers_is_not_ready(gateway: Gateway) -> None:
    books = gateway.books
    theirs = replace(books, keys=Keys(bytes(KEY_BYTES), PostgresKeyStore(PostgresRecorder(books.pool))))
    assert problems(theirs) == [], "nothing is sealed when both begin"
    books.keys.seal("a kite", requester="req-1", subject="video_1", field="render.intent.prompt")
    assert problems(theirs) == ["the master key is not the one that this ledger was sealed with"]
    assert problems(books) == []


def test_what_another_process_tells_is_a_problem_until_it_is_over() -> None:
    watch = Watch()
    watch.hear("background process", "exit status -9")
    assert watch.problems() == ["the background process failed: exit status -9"]
    watch.hear("background process", None)
    watch.hear("projector", None)  # never heard of
    assert watch.problems() == []
