"""What is known about one request beyond HTTP: handlers put facts here, the access log reads them."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from vestry_service.limits_fields import Counted
from vestry_signatures.errors import VestryError


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
        """Add what is known to `facts`, in the order of the log's fields. Spelled out, for it is half the time."""
        if self.outcome is not None:
            facts["outcome"] = self.outcome
        if self.reason is not None:
            facts["reason"] = self.reason
        if self.uid is not None:
            facts["uid"] = self.uid
        if self.kid is not None:
            facts["kid"] = self.kid
        if self.authority is not None:
            facts["authority"] = self.authority
        if self.client_ip is not None:
            facts["client_ip"] = self.client_ip
        if self.tool is not None:
            facts["tool"] = self.tool
        if self.mode is not None:
            facts["mode"] = self.mode
        if self.cause is not None:
            facts["cause"] = self.cause


OBSERVED: Final = web.RequestKey("OBSERVED", Observed)
