"""The price tables: on record before any decision is taken by them, and found by their hash."""

from dataclasses import dataclass
from datetime import datetime

from bickford_sora.decisions import price_table
from bickford_sora.decisions.catalogue import Catalogue
from bickford_sora.decisions.drafts import Draft
from bickford_sora.decisions.price_table import PriceRow
from bickford_sora.errors import NotFound
from bickford_sora.recording import DECIDE_ATTEMPTS_MAX, Origin, Recording
from ledger import streams
from ledger.envelope import Event
from ledger.errors import Conflict
from ledger.events import PricesPublished

ACTOR = "configuration"


@dataclass(frozen=True, slots=True)
class PriceTable:
    """One table that was published."""

    version: int
    """From 1."""
    prices_hash: str
    text: str
    published_at: datetime

    @property
    def rows(self) -> list[PriceRow]:
        """Its prices."""
        return price_table.read_table(self.text)


class PriceTables:
    """Publishes price tables and knows all of them. Safe to use from several threads.

    Renderers are paid by the tenant that runs the server: the tables are in its stream, and hold for every tenant.

    Every method raises ledger.errors.Unavailable when the database does not answer.
    """

    def __init__(self, recording: Recording, *, tenant: str) -> None:
        self._recording = recording
        self._tenant = tenant

    def publish(self, catalogue: Catalogue) -> None:
        """Records the catalogue's prices unless they were the last ones recorded; nothing where nothing is offered.

        Raises ledger.errors.Conflict when too many others publish at the same time.
        """
        if not catalogue.routes:
            return
        stream = streams.prices(self._tenant)
        fact = PricesPublished(prices_hash=catalogue.prices_hash, text=catalogue.prices_text)
        for attempt in range(DECIDE_ATTEMPTS_MAX):
            newest = self.newest()
            if newest is not None and newest.prices_hash == fact.prices_hash:
                return
            head = newest.version if newest else 0
            try:
                self._recording.append(Draft(((stream, fact),), {stream: head}), Origin(self._tenant, ACTOR))
            except Conflict:
                if attempt == DECIDE_ATTEMPTS_MAX - 1:
                    raise
                continue
            return

    def newest(self) -> PriceTable | None:
        """What was published last, None before anything was."""
        tables = self.all()
        return tables[-1] if tables else None

    def find(self, prices_hash: str) -> PriceTable:
        """The table that a decision names, as it was published last. Raises NotFound when there never was one."""
        for each in reversed(self.all()):
            if each.prices_hash == prices_hash:
                return each
        raise NotFound("No price table with this hash was published.", code="prices_not_found", param="prices_hash")

    def now(self) -> datetime:
        """The moment it is."""
        return self._recording.clock()

    def all(self) -> list[PriceTable]:
        """Every table that was published, oldest first."""
        return [_table(event) for event in self._recording.ledger.history(streams.prices(self._tenant))]


def _table(event: Event) -> PriceTable:
    fact = event.fact
    assert isinstance(fact, PricesPublished), event.stream  # noqa: S101 - the stream holds nothing else
    return PriceTable(event.version, fact.prices_hash, fact.text, event.context.occurred_at)
