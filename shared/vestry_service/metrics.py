"""Every metric of the wire contract, section 8, on a registry of its own.

No label carries a uid, kid, host or anything else a caller chose: a stranger could otherwise fill the memory
of whoever scrapes us. Routes are templates (`/agents/{uid}/…`), methods come from a known set.

Gauges state how the values of several processes are put together (`multiprocess_mode`, shared_metrics.py). One whose
value is asked of a function goes by `watch`: a function cannot be asked by another process. `HttpMetrics` keeps the
labelled children it has once looked up: the lookup by labels costs more than the counting.
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from vestry_service.tally import MOMENT, Happening, Tally

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HTTP_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
VERIFY_BUCKETS: Final = (
    0.00025, 0.0005, 0.00075, 0.001, 0.0015, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip
FETCH_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one service, as attributes. `service` labels the HTTP ones."""

    def __init__(
        self,
        service: str,
        version: str,
        registry: CollectorRegistry | None = None,
        together: CollectorRegistry | None = None,
    ) -> None:
        """Make them, on `registry`. `together` adds up what all processes count; None where this is the only one."""
        self.registry = registry = registry or CollectorRegistry()
        self._together = together
        self._watched: list[tuple[Gauge, Callable[[], float]]] = []
        self.tally = Tally(MOMENT if together is None else 0.0)
        self.http = HttpMetrics(service, registry, self.tally)
        self.verifications = Counter(
            "vestry_verifications", "Judged requests", ("outcome", "reason", "profile"), registry=registry
        )
        self.verify_duration = Histogram(
            "vestry_verify_duration_seconds", "Time to judge one", buckets=VERIFY_BUCKETS, registry=registry
        )
        self.replay_checks = Counter(
            "vestry_replay_checks", "Round trips to the replay store", ("result",), registry=registry
        )
        self.key_cache_events = Counter(
            "vestry_key_cache_events", "What the key cache did", ("event",), registry=registry
        )
        self.directory_fetches = Counter(
            "vestry_directory_fetches", "Foreign directories fetched", ("result",), registry=registry
        )
        self.directory_fetch_duration = Histogram(
            "vestry_directory_fetch_duration_seconds",
            "Time to fetch a foreign directory",
            buckets=FETCH_BUCKETS,
            registry=registry,
        )
        self.registrations = Counter("vestry_registrations", "Registrations", ("result",), registry=registry)
        self.rotations = Counter("vestry_rotations", "Rotations", ("result",), registry=registry)
        self.revocations = Counter("vestry_revocations", "Revocations", ("by",), registry=registry)
        self.rate_limited = Counter(
            "vestry_rate_limited", "Requests refused by a limit", ("limit",), registry=registry
        )
        self.tools_file_refused = Gauge(
            "vestry_tools_file_refused",
            "1 while TOOLS_FILE on the disk has a fault and an older one counts",
            registry=registry,
            multiprocess_mode="max",
        )
        self.would_refuse = Counter(
            "vestry_would_refuse",
            "What tools in the mode observe were told would be refused",
            ("tool", "reason"),
            registry=registry,
        )
        self.agents = Gauge(
            "vestry_agents", "Agents", ("state",), registry=registry, multiprocess_mode="mostrecent"
        )
        self.keys = Gauge(
            "vestry_keys", "Keys", ("state",), registry=registry, multiprocess_mode="mostrecent"
        )
        self.outbox_pending = Gauge(
            "vestry_outbox_pending",
            "Changes that the live records do not show yet",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.audit_unsealed = Gauge(
            "vestry_audit_unsealed",
            "Events that the audit chain should hold by now and does not",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self.db_pool_connections = Gauge(
            "vestry_db_pool_connections",
            "Database connections",
            ("state",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.build_info = Gauge(
            "vestry_build_info", "Always 1", ("version",), registry=registry, multiprocess_mode="max"
        )
        self.build_info.labels(version).set(1)

    def watch(self, gauge: Gauge, ask: Callable[[], float]) -> None:
        """Show in `gauge`, one without labels left open, what `ask` returns."""
        if self._together is None:
            gauge.set_function(ask)
        else:
            self._watched.append((gauge, ask))

    def refresh(self) -> None:
        """Write down what is watched, for the other processes to show. To be done every second or so."""
        for gauge, ask in self._watched:
            gauge.set(ask())

    def render(self) -> tuple[bytes, str]:
        """Return the body and the content type of a scrape."""
        self.tally.settle()
        return generate_latest(self._together or self.registry), CONTENT_TYPE_LATEST


class HttpMetrics:
    """Counts the requests of one service."""

    def __init__(self, service: str, registry: CollectorRegistry, tally: Tally) -> None:
        self._service = service
        self._tally = tally
        self._requests = Counter(
            "http_requests",
            "Requests answered",
            ("service", "method", "route", "status"),
            registry=registry,
        )
        self._duration = Histogram(
            "http_request_duration_seconds",
            "Time to answer",
            ("service", "method", "route"),
            buckets=HTTP_BUCKETS,
            registry=registry,
        )
        self._in_progress = Gauge(
            "http_requests_in_progress",
            "Requests being answered",
            ("service",),
            registry=registry,
            multiprocess_mode="livesum",
        ).labels(service)
        self._children: dict[tuple[str, str, int], Happening] = {}

    def began(self) -> None:
        """Count a request that is being answered."""
        self._tally.add(self._in_progress)

    def ended(self) -> None:
        """Count a request that began, and is not being answered any more."""
        self._tally.add(self._in_progress, -1.0)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer. `method` may be anything; `route` is a template; `seconds` is how long it took."""
        if method not in METHODS:
            method = "other"
        try:
            answer = self._children[method, route, status]
        except KeyError:
            requests = self._requests.labels(self._service, method, route, status)
            duration = self._duration.labels(self._service, method, route)
            answer = self._children[method, route, status] = Happening(duration, requests)
        self._tally.happened(answer, seconds)
