"""What is known about one request beyond HTTP: handlers put facts here, the access log reads them."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from aiohttp import web

from vestry_service.limits_fields import Counted
from vestry_signatures.errors import VestryError

_LOGGED: Final = ("outcome", "reason", "uid", "kid", "authority", "client_ip", "tool", "mode", "cause")
_values: Final = attrgetter(*_LOGGED)


@dataclass(slots=True)
class Observed:
    """Facts for one line of the log. All but `request_id` may stay unknown.

    Attributes:
        request_id: taken over from the caller or made here; returned as `X-Request-Id`.
        client_ip: the client's address, as far as trusted proxies tell.
        outcome, reason: of the verdict (wire contract, sections 1 and 6).
        uid, kid, authority: whom and what the request was about, once known to be what they claim.
        cause: why something was not there (an exception's type), for the log alone.
        tool: which of the operator's tools asked.
        mode: `observe` where what is refused here was let pass.
        counted: the limits that the request was counted against so far, for the answer alone; None before the first.
    """

    request_id: str
    client_ip: str | None = None
    outcome: str | None = None
    reason: str | None = None
    uid: str | None = None
    kid: str | None = None
    authority: str | None = None
    cause: str | None = None
    tool: str | None = None
    mode: str | None = None
    counted: list[Counted] | None = None

    def refused(self, error: VestryError) -> None:
        """Put down why nothing else is said about the request."""
        self.reason = error.reason
        self.outcome = error.outcome
        if error.__cause__ is not None:
            self.cause = type(error.__cause__).__name__

    def add_to(self, facts: dict[str, object]) -> None:
        """Add what is known to `facts`, in the order of the log's fields."""
        told = zip(_LOGGED, _values(self), strict=True)
        facts.update({name: value for name, value in told if value is not None})


OBSERVED: Final = web.RequestKey("OBSERVED", Observed)
