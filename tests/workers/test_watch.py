"""Background threads do not die in silence."""

import threading
from collections.abc import Callable

import pytest

from bickford_sora.composition.books import problems
from bickford_sora.composition.gateway import Gateway
from bickford_sora.workers import watch as watches
from bickford_sora.workers.watch import Watch


def kept(watch: Watch, run: Callable[[threading.Event], None], stop: threading.Event) -> None:
    thread = threading.Thread(target=watch.keep, args=("projector", run, stop))
    thread.start()
    thread.join(10)
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


def test_what_another_process_tells_is_a_problem_until_it_is_over() -> None:
    watch = Watch()
    watch.hear("background process", "exit status -9")
    assert watch.problems() == ["the background process failed: exit status -9"]
    watch.hear("background process", None)
    watch.hear("projector", None)  # never heard of
    assert watch.problems() == []
