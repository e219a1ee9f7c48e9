"""What is counted and logged about every request, whichever way it is answered.

The ordinary way is the middleware in `app`, the short one `lean`. Both open a request here and close it here, so what
an operator sees does not depend on the way.
"""

import re
from collections.abc import Collection
from logging import DEBUG, INFO, WARNING
from random import getrandbits
from typing import Any, Final

from multidict import istr

from vestry_service.logging import Logger
from vestry_service.metrics import Metrics
from vestry_service.observed import Observed
from vestry_service.requests import Network, Said, client_ip

REQUEST_ID: Final = istr("X-Request-Id")
# Asked every few seconds by machines: only worth a line when they fail.
QUIET_ROUTES: Final = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
_GIVEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


class Access:
    """The log and the metrics of the requests of one application."""

    def __init__(self, logger: Logger, metrics: Metrics, trusted: Collection[Network] = ()) -> None:
        """Take where lines and counts go, and the proxies whose `X-Forwarded-For` is believed."""
        self.logger = logger
        self._http = metrics.http
        self._trusted = tuple(trusted)

    def open(self, said: Said) -> Observed:
        """Begin with a request: give it an id, and count it as being answered."""
        self._http.began()
        return Observed(request_id(said), client_ip(said, self._trusted))

    def close(self, seen: Observed, method: str, route: str, status: int, seconds: float) -> None:
        """End with a request that was opened. `seconds` is how long the answer took, `route` a template."""
        self._http.ended()
        self.note(seen, method, route, status, seconds)

    def note(self, seen: Observed, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer and write its line. Arguments as for `close`."""
        self._http.answered(method, route, status, seconds)
        _log(self.logger, seen, method, route, status, seconds)


def request_id(said: Said) -> str:
    """Return the caller's request id where it is harmless to repeat, else a new one."""
    given = said.headers.get(REQUEST_ID)
    if given is not None and _GIVEN_ID.fullmatch(given):
        return given
    return f"{getrandbits(128):032x}"


def _log(logger: Logger, seen: Observed, method: str, route: str, status: int, seconds: float) -> None:
    level = _level(route, status)
    if not logger.is_enabled_for(level):
        return
    facts: dict[str, Any] = {
        "request_id": seen.request_id,
        "method": method,
        "route": route,
        "status": status,
        "duration_ms": round(seconds * 1000, 3),
    }
    seen.add_to(facts)
    logger.write(level, "request", facts)


def _level(route: str, status: int) -> int:
    if status >= 500:
        return WARNING
    return DEBUG if route in QUIET_ROUTES else INFO
