"""What the console's pages work with, built from a gateway and the house of its HTTP routes."""

import time

from bickford_sora.composition.gateway import Gateway
from bickford_sora.console.attempts import Attempts
from bickford_sora.console.console import Console
from bickford_sora.console.sessions import Sessions
from bickford_sora.http.house import House
from projections.renders import Renders


def console(gateway: Gateway, house: House) -> Console:
    """The console beside the routes of this house."""
    books = gateway.books
    return Console(
        house=house,
        clock=books.clock,
        sessions=Sessions(digest=books.keys.digest, new_id=gateway.recording.new_id),
        renders=Renders(books.pool),
        attempts=Attempts(time.monotonic),
        catalogue=gateway.configuring.catalogue,
    )
