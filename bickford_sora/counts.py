"""What one process counts, for Prometheus. No label tells whose it is, and none can be filled from outside."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
APPEND_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
DECISION_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CALL_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
WORK_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)

PoolStats = Callable[[], Mapping[str, int]]
"""The numbers of a psycopg pool (`ConnectionPool.get_stats`)."""


class Counts:
    """Counters of one process. Safe to use from several threads."""

    def __init__(self, process: str = "server") -> None:
        """`process` is what this one does: `server`, `background` or `worker`."""
        self._process = self.process = process
        self.registry = registry = CollectorRegistry()
        self._requests = Histogram(
            "bickford_http_request_duration_seconds",
            "Requests answered, by how long that took.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._requests_by: dict[tuple[str, str | None, int | None], Histogram] = {}
        """Those counted before: a label is found in a fifth of the time here."""
        self._webhooks = Counter(
            "bickford_webhooks_received_total",
            "Renderers' webhooks that were verified, by whether they were new.",
            ["process", "outcome"],
            registry=registry,
        )
        self._webhooks_by: dict[str, Counter] = {}
        self._appends = Histogram(
            "bickford_append_duration_seconds",
            "Appends to the ledger, by how long that took.",
            ["process"],
            buckets=APPEND_BUCKETS,
            registry=registry,
        )
        self._decisions = Histogram(
            "bickford_append_decisions",
            "Appends to the ledger, by how many decisions went together.",
            ["process"],
            buckets=DECISION_BUCKETS,
            registry=registry,
        )
        self._work = Histogram(
            "bickford_work_duration_seconds",
            "Steps of work, by how long they took.",
            ["process", "step", "outcome"],
            buckets=WORK_BUCKETS,
            registry=registry,
        )
        self._calls = Histogram(
            "bickford_renderer_call_duration_seconds",
            "Calls of renderers, by how long it took until an answer began.",
            ["process", "renderer", "method", "outcome"],
            buckets=CALL_BUCKETS,
            registry=registry,
        )
        self._deliveries = Counter(
            "bickford_deliveries_total",
            "Calls of subscribed webhook endpoints, by what came of them.",
            ["process", "outcome"],
            registry=registry,
        )

    def answered(self, method: str, route: str | None, status: int | None, duration_s: float) -> None:
        """Counts a request. `route` is None where no route took it, `status` where it was not answered."""
        # Only names of our own: a label that a client could fill with anything would have no end of values.
        labels = (method if method in METHODS else "other", route, status)
        requests = self._requests_by.get(labels)
        if requests is None:
            requests = self._requests.labels(labels[0], route or "none", str(status or "none"))
            self._requests_by[labels] = requests
        requests.observe(duration_s)

    def webhook(self, outcome: str) -> None:
        """Counts a verified webhook: `recorded` or `duplicate`."""
        webhooks = self._webhooks_by.get(outcome)
        if webhooks is None:
            webhooks = self._webhooks_by[outcome] = self._webhooks.labels(self._process, outcome)
        webhooks.inc()

    def appended(self, decisions: int, duration_s: float) -> None:
        """Counts an append of so many decisions."""
        self._appends.labels(self._process).observe(duration_s)
        self._decisions.labels(self._process).observe(decisions)

    def worked(self, step: str, outcome: str, duration_s: float) -> None:
        """Counts a step of work: `done`, `postponed` or `failed`."""
        self._work.labels(self._process, step, outcome).observe(duration_s)

    def called(self, renderer: str, method: str, outcome: str, duration_s: float) -> None:
        """Counts a call of a renderer, by the answer's status, `no_answer` or `not_sent`."""
        self._calls.labels(self._process, renderer, method, outcome).observe(duration_s)

    def delivered(self, outcome: str) -> None:
        """Counts a call of a webhook endpoint, by the class of the answer's status or why there was none."""
        self._deliveries.labels(self._process, outcome).inc()

    def watch_pool(self, stats: PoolStats) -> None:
        """Has the pool's numbers looked up at each scrape."""
        self.registry.register(_Pool(self._process, stats))

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)


class _Pool(Collector):
    def __init__(self, process: str, stats: PoolStats) -> None:
        self._process = process
        self._stats = stats

    def describe(self) -> Iterator[Metric]:
        """Nothing that has to be looked up."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Connections in use and idle, and who waits for one."""
        stats = self._stats()
        idle, waiting = stats.get("pool_available", 0), stats.get("requests_waiting", 0)
        connections = GaugeMetricFamily(
            "bickford_database_connections", "Connections of the pool, by state.", labels=["process", "state"]
        )
        connections.add_metric([self._process, "used"], stats.get("pool_size", 0) - idle)
        connections.add_metric([self._process, "idle"], idle)
        yield connections
        waits = GaugeMetricFamily(
            "bickford_database_connection_waits", "Threads that wait for a connection.", labels=["process"]
        )
        waits.add_metric([self._process], waiting)
        yield waits
