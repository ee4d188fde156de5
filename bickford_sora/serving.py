"""What the processes of `serve` do: one answers requests, one does everything behind it."""

import gc
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pydantic import SecretStr

from bickford_sora.background import end_process, told_on, watching_renderer_file, working
from bickford_sora.board import Board
from bickford_sora.composition.books import open_books
from bickford_sora.composition.console import console
from bickford_sora.composition.gateway import compose
from bickford_sora.composition.house import house
from bickford_sora.console.app import with_console
from bickford_sora.counts import Counts
from bickford_sora.http.app import create_app
from bickford_sora.http.serving import serve
from bickford_sora.keeper import Part
from bickford_sora.lifeline import Lifeline
from bickford_sora.settings import RendererSettings, Settings
from bickford_sora.telemetry import Redaction
from bickford_sora.workers.watch import Watch
from ledger.silence import SILENCE_S_MAX

NICENESS = 19
"""How much the background yields to the server where both want a processor (nice(2)): with less, one request in a
hundred waits for it (docs/adr/0029-background-process.md)."""
COLLECTED_AT = 10_000
"""How many more objects there are when the collector looks for cycles: the interpreter's 700 come with each request,
and with each score of facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What the processes of one `serve` are given. Made before they part."""

    settings: Settings
    renderers: Sequence[RendererSettings]
    api_key: SecretStr
    redaction: Redaction
    bound: socket.socket
    """Where the server listens."""
    board: Board
    """On which the background writes what it counts, for the server."""
    owner: str
    """The name under which the background leases work, whichever process it is: there is one at a time."""
    works: bool
    """Whether renders are worked on, too."""

    def parts(self) -> tuple[Part, Part]:
        """The server, and its background."""
        return (
            Part("server", self._answer, listening=self.bound),
            Part("background", self._work, niceness=NICENESS),
        )

    def _answer(self, lifeline: Lifeline) -> None:
        with ExitStack() as stack:
            watch = Watch()
            lifeline.hear(watch.hear)
            books = stack.enter_context(
                open_books(self.settings, watch=watch, silence_s_max=SILENCE_S_MAX, on_lost=end_process)
            )
            gateway = compose(books, self.renderers, stack)
            gateway.erasures.reapply()  # before anything is served: a restored backup revives nothing
            for each in gateway.configuring.renderers:
                self.redaction.register(each.api_key.get_secret_value())
            rooms = house(gateway, self.api_key, self.board.read)
            stack.enter_context(watching_renderer_file(books, gateway.configuring))
            app = with_console(create_app(rooms), console(gateway, rooms, stack))
            _spare_collector()
            serve(app, self.bound, lifeline.stop, on_started=lifeline.ready, on_stopping=rooms.tide.closing.set)

    def _work(self, lifeline: Lifeline) -> None:
        counts, watch = Counts("background"), Watch(lifeline.tell)
        with (
            working(
                self.settings,
                self.renderers,
                self.redaction,
                works=self.works,
                watch=watch,
                counts=counts,
                heir_of=self.owner,
            ),
            told_on(self.board, counts),
        ):
            _spare_collector()
            lifeline.ready()
            lifeline.stop.wait()


def _spare_collector() -> None:
    """Has the collector leave alone what a process is made of: all its threads wait while that is looked through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECTED_AT)
