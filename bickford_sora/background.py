"""What runs behind the HTTP server, in a process of its own: following the ledger, and working."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Self

import structlog

from bickford_sora.board import Board
from bickford_sora.composition.books import Books, open_books
from bickford_sora.composition.gateway import Gateway, compose
from bickford_sora.configuring import Configuring
from bickford_sora.counts import Counts
from bickford_sora.pushing import pushing_of
from bickford_sora.settings import RendererSettings, Settings
from bickford_sora.telemetry import Redaction
from bickford_sora.workers.loop import WorkLoop
from bickford_sora.workers.watch import Watch
from ledger.following import Bell, PostgresBell
from ledger.silence import SILENCE_S_MAX
from projections.search import Search

KNEW_WHAT_IS_LOST = 1
"""Exit status of a process that knows facts which its database has lost (`ledger.continuity`)."""
TOLD_S = 2.0
"""How old what a background process counts may be when its server tells it, in seconds."""

PUSH_STOP_S = 15.0
"""How long a process that stops waits for what it is pushing, in seconds. The rest is pushed again, and is the same."""

Run = Callable[[threading.Event], None]
"""Goes on until the event is set."""

log = structlog.get_logger(__name__)


class _WakingBell:
    """A bell that also wakes the work loops whenever the read models have taken in what there was."""

    def __init__(self, bell: Bell, wakes: Sequence[threading.Event]) -> None:
        self._bell = bell
        self._wakes = wakes

    def wait(self, timeout_s: float) -> None:
        """Called by the projector when nothing is left to apply."""
        for wake in self._wakes:
            wake.set()
        self._bell.wait(timeout_s)

    def close(self) -> None:
        """Closes the bell underneath."""
        self._bell.close()


class Background:
    """Threads that follow the ledger and, with a gateway's crew, work. Stopping finishes what was begun.

    A thread that fails goes on after a pause, and `books.watch` tells of it.
    """

    def __init__(self, books: Books, gateway: Gateway | None, configuring: Configuring | None = None) -> None:
        self._stop, self._stop_following = threading.Event(), threading.Event()
        wakes = threading.Event(), threading.Event()
        bell = _WakingBell(PostgresBell(books.url, self._stop_following), wakes)
        runs: dict[str, Run] = {"sequencer": books.proving.sequencer.run}
        if books.search is None:
            Search(books.ledger, books.keys, books.pool).drop()  # it was switched off: nothing sealed is left open
        else:
            index, told = books.search, PostgresBell(books.url, self._stop)
            runs["search"] = lambda stop: index.run(stop, told)
        pushings = pushing_of(books.settings, books.proving.tree, books.clock)
        if gateway is not None:
            runs["work loop"] = WorkLoop(gateway.crew, wake=wakes[0]).run
            runs["couriers"] = WorkLoop(gateway.couriers, wake=wakes[1]).run
            announce, heard = gateway.announce, PostgresBell(books.url, self._stop)
            runs["announcer"] = lambda stop: announce.run(stop, heard)
            if gateway.retain is not None:
                runs["retention"] = gateway.retain.run
        if configuring is not None:
            runs |= _renderer_file(books, configuring)
        self._following = threading.Thread(
            target=books.watch.keep,
            args=("projector", lambda stop: books.projector.run(stop, bell), self._stop_following),
            name="projector",
        )
        self._working = [
            threading.Thread(target=books.watch.keep, args=(name, run, self._stop), name=name)
            for name, run in runs.items()
        ]
        # Daemons: the calls of a bucket that trickles take minutes.
        self._pushing = [
            threading.Thread(target=books.watch.keep, args=(name, each.run, self._stop), name=name, daemon=True)
            for name, each in ((f"pushing to {each.name}", each) for each in pushings)
        ]

    def __enter__(self) -> Self:
        for thread in (self._following, *self._working, *self._pushing):
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        leaves_at = time.monotonic() + PUSH_STOP_S
        for thread in self._working:
            thread.join()
        for thread in self._pushing:
            thread.join(max(leaves_at - time.monotonic(), 0.0))
            if thread.is_alive():
                log.warning("push_left", thread=thread.name)
        self._stop_following.set()  # last: what works may be waiting for a read model
        self._following.join()


@contextmanager
def working(
    settings: Settings,
    renderers: Sequence[RendererSettings],
    redaction: Redaction,
    *,
    works: bool = True,
    watch: Watch | None = None,
    counts: Counts | None = None,
    heir_of: str | None = None,
) -> Iterator[Gateway]:
    """The background of one process, from the settings to its threads, until the end of the block.

    Not `works`: it follows the ledger and leaves renders to others. `heir_of` is the name under which a process that
    is certainly dead leased work, if there was one: it is gone on with, and its leases are not waited for.

    Raises as `open_books`.
    """
    with ExitStack() as stack:
        books = stack.enter_context(
            open_books(settings, watch=watch, counts=counts, silence_s_max=SILENCE_S_MAX, on_lost=end_process)
        )
        gateway = compose(books, renderers, stack, owner=heir_of)
        if heir_of is not None:
            gateway.crew.leases.end(heir_of, books.clock())
        gateway.erasures.reapply()  # before anything is worked on: a restored backup revives nothing
        for each in gateway.configuring.renderers:
            redaction.register(each.api_key.get_secret_value())
        stack.enter_context(Background(books, gateway if works else None, gateway.configuring))
        yield gateway


def end_process() -> None:
    """Ends it at once, whatever it is at: leases and deadlines are made for that. Whoever keeps it starts another."""
    os._exit(KNEW_WHAT_IS_LOST)


@contextmanager
def told_on(board: Board, counts: Counts) -> Iterator[None]:
    """Keeps on the board what this process counts, until the end of the block."""
    stop = threading.Event()

    def tell() -> None:
        while not stop.wait(TOLD_S):
            board.write(counts.text())

    teller = threading.Thread(target=tell, name="counts", daemon=True)
    teller.start()
    try:
        yield
    finally:
        stop.set()
        teller.join()


@contextmanager
def watching_renderer_file(books: Books, configuring: Configuring) -> Iterator[None]:
    """Takes over what changes in the renderer file, where there is one, until the end of the block."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=books.watch.keep, args=(name, run, stop), name=name)
        for name, run in _renderer_file(books, configuring).items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _renderer_file(books: Books, configuring: Configuring) -> dict[str, Run]:
    path, environment = books.settings.renderers_file, books.settings.environment()
    return {} if path is None else {"renderer file": lambda stop: configuring.watch(path, environment, stop)}
