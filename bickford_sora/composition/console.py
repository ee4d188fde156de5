"""What the console's pages work with, built from a gateway and the house of its HTTP routes."""

import time
from contextlib import ExitStack

from bickford_sora.composition.books import PROJECTIONS, TENANT, lags
from bickford_sora.composition.gateway import Gateway
from bickford_sora.composition.sign_in import code_flow
from bickford_sora.console.attempts import Attempts
from bickford_sora.console.commands import Commands, Processes
from bickford_sora.console.console import Console
from bickford_sora.console.operations import Operations
from bickford_sora.console.sessions import Sessions
from bickford_sora.http.house import House
from projections import search
from projections.backlog import backlog
from projections.renders import Renders


def console(gateway: Gateway, house: House, stack: ExitStack) -> Console:
    """The console beside the routes of this house; `stack` ends what it set going."""
    books, new_id = gateway.books, gateway.recording.new_id
    processes = Processes()
    stack.callback(processes.close)
    return Console(
        house=house,
        clock=books.clock,
        sessions=Sessions(digest=books.keys.digest, new_id=new_id),
        sign_in=code_flow(books.settings, digest=books.keys.digest, new_id=new_id, clock=books.clock),
        takes_api_keys=books.settings.console_api_keys,
        renders=Renders(books.pool),
        attempts=Attempts(time.monotonic),
        exchanges_in_vain=Attempts(time.monotonic),
        catalogue=gateway.configuring.catalogue,
        operations=_operations(gateway),
        commands=Commands(processes.run, processes.parts, books.clock),
    )


def _operations(gateway: Gateway) -> Operations:
    books = gateway.books
    words = {search.NAME: search.VERSION} if books.search else {}
    return Operations(
        tenant=TENANT,
        versions={each.name: each.version for each in PROJECTIONS} | words,
        lag=lambda: lags(books),
        parked=books.projector.parked,
        backlog=lambda: backlog(books.pool, books.clock()),
        renderers=lambda: gateway.configuring.renderers,
        replicas=gateway.fleet.health,
        stopped=lambda name: [model for _, model in gateway.stops.record(name).stopped],
        resume=lambda renderer, origin: gateway.stops.resume(renderer.name, renderer.credential, origin),
    )
