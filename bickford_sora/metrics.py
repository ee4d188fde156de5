"""Numbers about an installation, for Prometheus: of this process, of the one behind it, and of the database.

None of them tells whose they are, but for the spend, which is told by project, to who oversees it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from bickford_sora.counts import Counts
from ledger.errors import Unavailable
from ledger.proof.sequencer import Standing
from projections.backlog import Waiting
from projections.positions import Lag
from projections.spend import Total

Found = TypeVar("Found")

PROJECTS_MAX = 50
"""Projects whose spend is told by name, those that spend most; the others together."""
OTHER_PROJECTS = "(others)"
"""In the place of their names. No project can have this one."""

_GAUGES: tuple[tuple[str, str, Callable[[Lag], float]], ...] = (
    ("position", "The last position in the ledger that the read model's rows hold.", lambda lag: lag.position),
    ("lag_events", "Events in the ledger that the read model has not taken in.", lambda lag: lag.lag_events),
    ("lag_seconds", "Age of the oldest event that the read model has not taken in.", lambda lag: lag.lag_s),
    ("parked_streams", "Streams that the read model could not read.", lambda lag: lag.parked),
    ("skipped_streams", "Streams that it could not read and that are left as they are.", lambda lag: lag.skipped),
    ("gap_events", "Events up to the position that its rows lack.", lambda lag: lag.gaps),
    ("rebuilding", "1 while some process rebuilds it.", lambda lag: lag.rebuilding),
)


Refused = tuple[str, str]
"""A renderer and the model that it is stopped for; `ledger.renderers.EVERYTHING` for all of them."""
Whose = tuple[str, str | None]
"""A tenant and one of its projects; None: all of them."""


class Metrics:
    """All numbers of one process and of what it looks up when somebody asks. Safe to use from several threads."""

    def __init__(
        self,
        lag: Callable[[], Sequence[Lag]] = tuple,
        standing: Callable[[], Standing] | None = None,
        *,
        backlog: Callable[[], Sequence[Waiting]] | None = None,
        stopped: Callable[[], Sequence[Refused]] | None = None,
        spend: Callable[[Whose], Sequence[Total]] | None = None,
        counts: Counts | None = None,
        background: Callable[[], bytes] | None = None,
        public: bool = False,
    ) -> None:
        """`lag` says how the read models stand, `standing` how the tree does, `backlog` what work waits.

        `stopped` says which renderers wait for an operator, `spend` what somebody's renders of today cost, by project.
        They may raise Unavailable. `counts` are this process's; `background` gives the text of the process behind it.
        """
        self.public = public
        """Whether everybody may read them, without an API key."""
        self.counts = counts or Counts()
        self._background = background
        self._looked_up = CollectorRegistry()
        self._looked_up.register(_ReadModels(lag))
        if standing is not None:
            self._looked_up.register(_LookedUp(standing, _tree))
        if backlog is not None:
            self._looked_up.register(_LookedUp(backlog, _waits))
        if stopped is not None:
            self._looked_up.register(_LookedUp(stopped, _stops))
        self._spend = spend

    def answered(self, method: str, route: str | None, status: int | None, duration_s: float) -> None:
        """Counts a request, see `Counts.answered`."""
        self.counts.answered(method, route, status, duration_s)

    def text(self, whose: Whose | None = None) -> bytes:
        """All of it in Prometheus's text format; of the spend what is `whose`, nobody's for None."""
        return generate_latest(_Together(self._families(whose)))

    def text_of_process(self) -> bytes:
        """What is told while the database says nothing: that, and what this process and the one behind it counted."""
        return generate_latest(_Together((_database_up(0), *self._counted())))

    def _families(self, whose: Whose | None) -> Iterator[Metric]:
        yield from self._looked_up.collect()
        if self._spend is not None and whose is not None:
            yield from _spent(self._spend, whose)
        yield from self._counted()

    def _counted(self) -> Iterator[Metric]:
        others = _families(self._background() if self._background else b"")
        for family in self.counts.registry.collect():
            other = others.pop(family.name, None)
            family.samples.extend(other.samples if other else ())
            yield family
        yield from others.values()


class _Together(CollectorRegistry):
    """Families of several registries, as one."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """The families."""
        return iter(self._families)


def _families(text: bytes) -> dict[str, Metric]:
    """What another process wrote. When it was made is its own affair: those samples would be families of their own."""
    found = text_string_to_metric_families(text.decode())
    return {each.name: each for each in found if not each.name.endswith("_created")}


class _ReadModels(Collector):
    """Looks up how the read models stand at each scrape; without a database there is only that to tell."""

    def __init__(self, lag: Callable[[], Sequence[Lag]]) -> None:
        self._lag = lag

    def describe(self) -> Iterator[Metric]:
        """Nothing: to be registered is no reason to ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """One gauge for each number, labelled with the read model's name."""
        try:
            lags = self._lag()
        except Unavailable:
            yield _database_up(0)
            return
        yield _database_up(1)
        head = max((each.head for each in lags), default=0)
        yield GaugeMetricFamily("bickford_ledger_position", "The last position in the ledger.", value=head)
        for name, meaning, number in _GAUGES:
            family = GaugeMetricFamily(f"bickford_projection_{name}", meaning, labels=["projection"])
            for each in lags:
                family.add_metric([each.name], float(number(each)))
            yield family


def _database_up(value: int) -> Metric:
    return GaugeMetricFamily("bickford_database_up", "1 when the database answers.", value=value)


class _LookedUp(Collector, Generic[Found]):
    """Looks something up at each scrape, and tells of it."""

    def __init__(self, look_up: Callable[[], Found], told: Callable[[Found], Iterator[Metric]]) -> None:
        self._look_up = look_up
        self._told = told

    def describe(self) -> Iterator[Metric]:
        """Nothing: to be registered is no reason to ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Nothing without a database, which the read models tell."""
        try:
            found = self._look_up()
        except Unavailable:
            return
        yield from self._told(found)


def _tree(standing: Standing) -> Iterator[Metric]:
    """How far the tree and its checkpoints are behind the ledger."""
    yield GaugeMetricFamily("bickford_tree_size", "Facts in the tree.", value=standing.sequenced)
    yield GaugeMetricFamily("bickford_tree_lag_events", "Facts that are not in the tree yet.", value=standing.lag)
    yield GaugeMetricFamily("bickford_checkpoint_size", "Facts under the newest checkpoint.", value=standing.covered)
    if standing.checkpoint_age_s is not None:
        age_s = standing.checkpoint_age_s
        yield GaugeMetricFamily("bickford_checkpoint_age_seconds", "Age of the newest checkpoint.", value=age_s)


def _waits(waiting: Sequence[Waiting]) -> Iterator[Metric]:
    """What work waits."""
    labels = ["step", "renderer"]
    items = GaugeMetricFamily("bickford_work_items", "Steps of work that are to be done.", labels=labels)
    overdue = GaugeMetricFamily(
        "bickford_work_overdue_seconds", "How long the oldest step has been due that nobody is at.", labels=labels
    )
    unknown = GaugeMetricFamily(
        "bickford_unknown_outcomes", "Submissions whose outcome is unknown, and lost jobs.", labels=["renderer"]
    )
    for each in waiting:
        place = [each.step, each.renderer or "none"]
        items.add_metric(place, each.items)
        overdue.add_metric(place, each.overdue_s)
        if each.step == "reconcile":
            unknown.add_metric(place[1:], each.unknown)
    yield from (items, overdue, unknown)


def _stops(stopped: Sequence[Refused]) -> Iterator[Metric]:
    """Which renderers are stopped."""
    family = GaugeMetricFamily(
        "bickford_renderer_stopped",
        "1 for what a renderer is not asked for until an operator has looked.",
        labels=["renderer", "model"],
    )
    for place in stopped:
        family.add_metric([*place], 1)
    yield family


def _spent(spend: Callable[[Whose], Sequence[Total]], whose: Whose) -> Iterator[Metric]:
    """Nothing without a database, which the read models tell."""
    try:
        totals = spend(whose)
    except Unavailable:
        return
    family = GaugeMetricFamily(
        "bickford_spend_today",
        "Money of the renders of today, in units of the currency.",
        labels=["project", "currency", "state"],
    )
    for (project, currency), (reserved, settled, open_) in _by_project(totals).items():
        for state, amount_micro in (("reserved", reserved), ("settled", settled), ("open", open_)):
            family.add_metric([project, currency, state], amount_micro / 1_000_000)
    yield family


def _by_project(totals: Sequence[Total]) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Reserved, settled and open by project and currency, of no more than `PROJECTS_MAX` by name."""
    priced = sorted((each for each in totals if each.currency), key=lambda each: each.reserved_micro, reverse=True)
    named = [*dict.fromkeys(each.name for each in priced)][:PROJECTS_MAX]
    sums: dict[tuple[str, str], tuple[int, int, int]] = {}
    for each in priced:
        key = (each.name or "none") if each.name in named else OTHER_PROJECTS, each.currency or "none"
        reserved, settled, open_ = sums.get(key, (0, 0, 0))
        sums[key] = reserved + each.reserved_micro, settled + each.settled_micro, open_ + each.open_micro
    return sums
