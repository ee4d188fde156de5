"""How many events a second the ledger appends, beside the library's stock `Application.save`, in the same run.

Both write to a database made for the run, in the same server and from the same number of threads. A decision has one
to three events of about 335 bytes on a stream of its own. What is measured is `append` and `save`, so encoding counts,
and the events are ready before the clock runs; `making` says what is left where they are made while it does. Short
rounds alternate, so that a neighbour on the machine slows all alike, and medians are compared. UmaDB, an event store
written in Rust, appends the same decisions beside them where it is installed.
"""

import gc
import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from eventsourcing.application import Application
from eventsourcing.domain import DomainEvent

from bickford_sora.database.migrations import migrate
from bickford_sora.database.pool import open_pool
from ledger import streams
from ledger.application import Ledger
from ledger.clock import system_clock
from ledger.envelope import Context, Decision, Fact, Sealed
from ledger.events import Money, Quote, RenderAllowed, RenderIntent, RenderProgress, Verdict
from ledger.identifiers import new_uuid7
from ledger.recorder import PostgresRecorder
from tests.benchmarks import rust_store
from tests.benchmarks.database import library_settings, temporary_database
from tests.benchmarks.figures import ratio

ROUNDS = 3
EVENTS_PER_DECISION = (1, 2, 3)
PROMPT_CHARS = 120
STOCK_TEXT_CHARS = 200
POOL_CONNECTIONS_MAX = 4

READY_EVENTS_PER_S = 40_000
"""For how fast a side events are made ready. A round is over early where they run out."""


@dataclass(frozen=True)
class Side:
    """Something that appends, and what it appends."""

    make: Callable[[int], Any]
    """A decision of so many events."""
    save: Callable[[Any], object]
    """Appends it."""


@dataclass(frozen=True)
class StockEvent(DomainEvent):
    """An event of the library's own kind, about as large in its table as ours in ours."""

    status: str
    text: str


def run(url: str, *, writers: int, seconds: float, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Measures for `seconds` in each round; events a second by name, ready for JSON. `url` may create databases."""
    kinds = [(count, _ready) for count in sorted({1, writers})] + [(writers, _making)]
    with ExitStack() as stack:
        database = stack.enter_context(temporary_database(url))
        sides = {"ours": stack.enter_context(_ours(database)), "stock": stack.enter_context(_stock(database, writers))}
        if rust_store.is_installed():
            sides["umadb"] = Side(_decision, stack.enter_context(rust_store.rust_store()))
        else:
            on_progress(rust_store.ABSENT)
        rates: dict[str, list[float]] = {}
        for turn, (count, kind), (name, side) in itertools.product(range(1, ROUNDS + 1), kinds, sides.items()):
            measured = f"{name}_{count}{'_making' if kind is _making else ''}"
            rate = _rate([kind(side, writer, seconds / count) for writer in range(count)], seconds)
            rates.setdefault(measured, []).append(rate)
            on_progress(f"round {turn}/{ROUNDS}: {measured}: {rate:,.0f} events/s")
    medians = {name: round(statistics.median(measured)) for name, measured in rates.items()}
    return {
        "unit": "events/s",
        "writers": writers,
        "seconds": seconds,
        "rounds": ROUNDS,
        **medians,
        "ratio_stock_1": ratio(medians["ours_1"], medians["stock_1"]),
        **{
            f"ratio_{name}{kind}": ratio(medians[f"ours_{writers}{kind}"], medians[f"{name}_{writers}{kind}"])
            for kind in ("", "_making")
            for name in sides
            if name != "ours"
        },
    }


def _ready(side: Side, writer: int, seconds: float) -> Iterator[int]:
    """Appends a decision at each turn, the number of its events. They are made before the first."""
    numbers = range(writer, writer + int(READY_EVENTS_PER_S * seconds) // 2)
    return _saved(side.save, [(events, side.make(events)) for events in map(_events, numbers)])


def _saved(save: Callable[[Any], object], ready: list[tuple[int, Any]]) -> Iterator[int]:
    for events, decision in ready:
        save(decision)
        yield events


def _making(side: Side, writer: int, _seconds: float) -> Iterator[int]:
    """Makes and appends a decision at each turn, the number of its events."""
    for number in itertools.count(writer):
        events = _events(number)
        side.save(side.make(events))
        yield events


def _events(number: int) -> int:
    return EVENTS_PER_DECISION[number % len(EVENTS_PER_DECISION)]


def _rate(writers: Sequence[Iterator[int]], seconds: float) -> float:
    """Events a second that they append together, each in a thread, until the time or what one of them has is over."""
    written = [0] * len(writers)
    stop = threading.Event()
    failures: list[Exception] = []

    def keep_writing(number: int) -> None:
        try:
            for events in writers[number]:
                written[number] += events
                if stop.is_set():
                    break
        except Exception as error:  # noqa: BLE001 - raised again in the main thread
            failures.append(error)
        stop.set()

    gc.freeze()  # what was made ready is no work of the appends
    threads = [threading.Thread(target=keep_writing, args=(number,)) for number in range(len(writers))]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    gc.unfreeze()
    if failures:
        raise failures[0]
    return sum(written) / took


@contextmanager
def _ours(url: str) -> Iterator[Side]:
    migrate(url, files("ledger.migrations"), schema="ledger")
    with open_pool(url, size_max=POOL_CONNECTIONS_MAX) as pool:
        recorder = PostgresRecorder(pool)
        yield Side(_decision, Ledger(recorder).append)
        recorder.close()


def _decision(events: int) -> Decision:
    render = streams.video_id(new_uuid7())
    stream = streams.render("acme", render)
    context = Context("acme", "key_1", system_clock(), correlation=new_uuid7())
    facts = [(stream, fact) for fact in _facts(render, events)]
    return Decision.of(facts, heads={stream: 0}, context=context, new_id=new_uuid7)


def _facts(render: str, events: int) -> Iterator[Fact]:
    yield _intent(render)
    if events > 1:
        yield _allowed()
    if events > 2:
        yield RenderProgress(status="in_progress", progress=10)


def _intent(render: str) -> RenderIntent:
    return RenderIntent(
        video_id=render,
        project="films",
        requester="key_1",
        model="sora-2",
        seconds="4",
        size="720x1280",
        prompt=Sealed("x" * PROMPT_CHARS),
    )


def _allowed() -> RenderAllowed:
    return RenderAllowed(
        verdict=Verdict(policy_hash="a" * 64, rules=("cap",)),
        renderer="vllm",
        credential="main",
        quote=Quote(cost=Money(amount_micro=400_000, currency="USD"), prices_hash="b" * 64),
    )


@contextmanager
def _stock(url: str, writers: int) -> Iterator[Side]:
    settings = {**library_settings(url), "POSTGRES_POOL_SIZE": str(writers), "POSTGRES_MAX_OVERFLOW": "0"}
    with Application[Any](env=settings) as application:
        yield Side(_stock_events, lambda events: application.save(*events))


def _stock_events(events: int) -> list[StockEvent]:
    stream = new_uuid7()
    return [
        StockEvent(
            originator_id=stream,
            originator_version=version,
            timestamp=system_clock(),
            status="queued",
            text="x" * STOCK_TEXT_CHARS,
        )
        for version in range(1, events + 1)
    ]
