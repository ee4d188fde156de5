"""How many events a second the ledger appends, beside the library's stock `Application.save`, in the same run.

Both write to a database made for the run, in the same server and from the same number of threads. A decision has one
to three events of about 335 bytes on a stream of its own; making and encoding the events counts. Short rounds of both
alternate, so that a neighbour on the machine slows both alike, and medians are compared. UmaDB, an event store
written in Rust, appends the same decisions beside them where it is installed.
"""

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterator
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

ROUNDS = 3
EVENTS_PER_DECISION = (1, 2, 3)
PROMPT_CHARS = 120
STOCK_TEXT_CHARS = 200
POOL_CONNECTIONS_MAX = 4

Write = Callable[[int], int]
"""Saves one decision, the writer's nth, and returns its number of events."""


@dataclass(frozen=True)
class StockEvent(DomainEvent):
    """An event of the library's own kind, about as large in its table as ours in ours."""

    status: str
    text: str


def run(url: str, *, writers: int, seconds: float, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Measures for `seconds` in each round; events a second by name, ready for JSON. `url` may create databases."""
    counts = sorted({1, writers})
    with ExitStack() as stack:
        database = stack.enter_context(temporary_database(url))
        sides = {"ours": stack.enter_context(_ours(database)), "stock": stack.enter_context(_stock(database, writers))}
        if rust_store.is_installed():
            sides["umadb"] = stack.enter_context(_rust())
        else:
            on_progress(rust_store.ABSENT)
        rates: dict[str, list[float]] = {f"{name}_{count}": [] for count in counts for name in sides}
        for turn, count, (name, write) in itertools.product(range(1, ROUNDS + 1), counts, sides.items()):
            rate = _rate(write, count, seconds)
            rates[f"{name}_{count}"].append(rate)
            on_progress(f"round {turn}/{ROUNDS}: {name}, {count} writers: {rate:,.0f} events/s")
    medians = {name: round(statistics.median(measured)) for name, measured in rates.items()}
    ratios = {f"ratio_{name}": round(medians[f"ours_{writers}"] / medians[f"{name}_{writers}"], 2) for name in sides}
    return {
        "unit": "events/s",
        "writers": writers,
        "seconds": seconds,
        "rounds": ROUNDS,
        **medians,
        "ratio_stock_1": round(medians["ours_1"] / medians["stock_1"], 2),
        **{name: ratio for name, ratio in ratios.items() if name != "ratio_ours"},
    }


def _rate(write: Write, writers: int, seconds: float) -> float:
    written = [0] * writers
    stop = threading.Event()
    failures: list[Exception] = []

    def keep_writing(writer: int) -> None:
        number = writer
        try:
            while not stop.is_set():
                written[writer] += write(number)
                number += 1
        except Exception as error:  # noqa: BLE001 - raised again in the main thread
            failures.append(error)

    threads = [threading.Thread(target=keep_writing, args=(writer,)) for writer in range(writers)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return sum(written) / (time.monotonic() - begun)


@contextmanager
def _ours(url: str) -> Iterator[Write]:
    migrate(url, files("ledger.migrations"), schema="ledger")
    with open_pool(url, size_max=POOL_CONNECTIONS_MAX) as pool:
        recorder = PostgresRecorder(pool)
        ledger = Ledger(recorder)

        def write(number: int) -> int:
            decision = _decision(EVENTS_PER_DECISION[number % len(EVENTS_PER_DECISION)])
            ledger.append(decision)
            return len(decision.events)

        yield write
        recorder.close()


@contextmanager
def _rust() -> Iterator[Write]:
    with rust_store.rust_store(_decision) as append:
        yield lambda number: append(EVENTS_PER_DECISION[number % len(EVENTS_PER_DECISION)])


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
def _stock(url: str, writers: int) -> Iterator[Write]:
    settings = {**library_settings(url), "POSTGRES_POOL_SIZE": str(writers), "POSTGRES_MAX_OVERFLOW": "0"}
    with Application[Any](env=settings) as application:

        def write(number: int) -> int:
            stream = new_uuid7()
            events = EVENTS_PER_DECISION[number % len(EVENTS_PER_DECISION)]
            application.save(
                *(
                    StockEvent(
                        originator_id=stream,
                        originator_version=version,
                        timestamp=system_clock(),
                        status="queued",
                        text="x" * STOCK_TEXT_CHARS,
                    )
                    for version in range(1, events + 1)
                )
            )
            return events

        yield write
