"""Numbers about this process and the read models, for Prometheus. None of them tells whose they are."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ledger.errors import Unavailable
from ledger.proof.sequencer import Standing
from projections.positions import Lag

_GAUGES: tuple[tuple[str, str, Callable[[Lag], float]], ...] = (
    ("position", "The last position in the ledger that the read model's rows hold.", lambda lag: lag.position),
    ("lag_events", "Events in the ledger that the read model has not taken in.", lambda lag: lag.lag_events),
    ("lag_seconds", "Age of the oldest event that the read model has not taken in.", lambda lag: lag.lag_s),
    ("parked_streams", "Streams that the read model could not read.", lambda lag: lag.parked),
    ("skipped_streams", "Streams that it could not read and that are left as they are.", lambda lag: lag.skipped),
    ("gap_events", "Events up to the position that its rows lack.", lambda lag: lag.gaps),
    ("rebuilding", "1 while some process rebuilds it.", lambda lag: lag.rebuilding),
)


class Metrics:
    """What this process counts, and what it looks up when somebody asks. Safe to use from several threads."""

    def __init__(
        self,
        lag: Callable[[], Sequence[Lag]] = tuple,
        standing: Callable[[], Standing] | None = None,
        *,
        public: bool = False,
    ) -> None:
        """`lag` says how the read models stand, `standing` how the tree does; they may raise Unavailable."""
        self.public = public
        """Whether everybody may read them, without an API key."""
        self._registry = CollectorRegistry()
        self._registry.register(_ReadModels(lag))
        if standing is not None:
            self._registry.register(_Tree(standing))
        self._requests = Histogram(
            "bickford_http_request_duration_seconds",
            "Requests answered, by how long that took.",
            ["method", "route", "status"],
            registry=self._registry,
        )

    def answered(self, method: str, route: str | None, status: int | None, duration_s: float) -> None:
        """Counts a request. `route` is None where no route took it, `status` where it was not answered."""
        # Only names of our own: a label that a client could fill with anything would have no end of values.
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route or "none", str(status or "none")).observe(duration_s)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


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
            yield GaugeMetricFamily("bickford_database_up", "1 when the database answers.", value=0)
            return
        yield GaugeMetricFamily("bickford_database_up", "1 when the database answers.", value=1)
        head = max((each.head for each in lags), default=0)
        yield GaugeMetricFamily("bickford_ledger_position", "The last position in the ledger.", value=head)
        for name, meaning, number in _GAUGES:
            family = GaugeMetricFamily(f"bickford_projection_{name}", meaning, labels=["projection"])
            for each in lags:
                family.add_metric([each.name], float(number(each)))
            yield family


class _Tree(Collector):
    """Looks up at each scrape how far the tree and its checkpoints are behind the ledger."""

    def __init__(self, standing: Callable[[], Standing]) -> None:
        self._standing = standing

    def describe(self) -> Iterator[Metric]:
        """Nothing: to be registered is no reason to ask the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Nothing without a database, which the read models tell."""
        try:
            standing = self._standing()
        except Unavailable:
            return
        yield GaugeMetricFamily("bickford_tree_size", "Facts in the tree.", value=standing.sequenced)
        yield GaugeMetricFamily("bickford_tree_lag_events", "Facts that are not in the tree yet.", value=standing.lag)
        yield GaugeMetricFamily(
            "bickford_checkpoint_size", "Facts under the newest checkpoint.", value=standing.covered
        )
        if standing.checkpoint_age_s is not None:
            age_s = standing.checkpoint_age_s
            yield GaugeMetricFamily("bickford_checkpoint_age_seconds", "Age of the newest checkpoint.", value=age_s)
