"""The verifier's own metrics."""

from typing import Protocol

from vestry_service.metrics import Metrics
from vestry_service.tally import Happening
from vestry_signatures.errors import ReplayedNonce, ReplayStoreUnavailable, VestryError


class Counts(Protocol):
    """Hears of every verdict, how many seconds it took, and which refusals a tool was only told of."""

    def verified(self, profile: str, seconds: float) -> None: ...
    def refused(self, error: VestryError, seconds: float) -> None: ...
    def excused(self, tool: str, error: VestryError) -> None: ...


class Counted:
    """Counts verdicts. Labels are reasons and profiles, never what a caller chose."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._tally = metrics.tally
        checks = metrics.replay_checks
        fresh, self._replayed, self._away = map(checks.labels, ("fresh", "replayed", "unavailable"))
        self._passed = {
            profile: Happening(
                metrics.verify_duration, metrics.verifications.labels("verified", "", profile), fresh
            )
            for profile in ("vestauth", "web-bot-auth")
        }
        self._refused = Happening(metrics.verify_duration)

    def verified(self, profile: str, seconds: float) -> None:
        self._tally.happened(self._passed[profile], seconds)

    def refused(self, error: VestryError, seconds: float) -> None:
        self._tally.happened(self._refused, seconds)
        self._metrics.verifications.labels(error.outcome or "", error.reason, "").inc()
        if isinstance(error, ReplayedNonce):
            self._replayed.inc()
        if isinstance(error, ReplayStoreUnavailable):
            self._away.inc()

    def excused(self, tool: str, error: VestryError) -> None:
        """Count what a tool that observes let pass, after `refused`."""
        self._metrics.would_refuse.labels(tool, error.reason).inc()
