"""Is this process alive, and can it serve?

`/livez` depends on nothing: a supervisor that restarts us because Redis is away would only make things worse.
`/readyz` (and its alias `/healthz`) asks every named check at once, each for a second at most, and is
503 when a required one fails or while we are stopping. A check that is only informational is shown and fails nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import hdrs, web

CHECK_TIMEOUT: Final = 1.0  # seconds
Check = Callable[[], Awaitable[object]]


class _Named(NamedTuple):
    name: str
    ask: Check
    required: bool


class Health:
    """The checks of one process, and whether it is draining."""

    def __init__(self, timeout: float = CHECK_TIMEOUT) -> None:
        self._checks: list[_Named] = []
        self._timeout = timeout
        self.draining = False

    def add(self, name: str, check: Check, *, required: bool = True) -> None:
        """Add a check: any exception it raises, or a result of False, means that it failed."""
        self._checks.append(_Named(name, check, required))

    def drain(self) -> None:
        """Be unready from now on: the process is stopping."""
        self.draining = True

    def routes(self) -> list[web.RouteDef]:
        """Return the health routes, for the public and for the internal port (GET and HEAD)."""
        return [
            web.get("/livez", self.livez),
            web.get("/readyz", self.readyz),
            web.get("/healthz", self.readyz),
        ]

    async def livez(self, _request: web.Request) -> web.Response:
        """Answer that the event loop turns."""
        return _uncached(200, {"status": "ok"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """Name each check and its state."""
        states = await asyncio.gather(*(self._state(check) for check in self._checks))
        failed = any(check.required and not ok for check, (ok, _) in zip(self._checks, states, strict=True))
        checks = {check.name: told for check, (_, told) in zip(self._checks, states, strict=True)}
        status = "draining" if self.draining else "failed" if failed else "ok"
        return _uncached(200 if status == "ok" else 503, {"status": status, "checks": checks})

    async def _state(self, check: _Named) -> tuple[bool, dict[str, Any]]:
        started = perf_counter()
        reason: str | None = None
        try:
            async with asyncio.timeout(self._timeout):
                if await check.ask() is False:
                    reason = "not ready"
        except TimeoutError:
            reason = "no answer in time"
        except Exception as error:  # a check may fail in any way; only the kind is told
            reason = type(error).__name__
        told: dict[str, Any] = {"status": "ok" if reason is None else "failed", "required": check.required}
        if reason is not None:
            told["reason"] = reason
        told["duration_ms"] = round((perf_counter() - started) * 1000, 1)
        return reason is None, told


def _uncached(status: int, facts: dict[str, Any]) -> web.Response:
    return web.Response(
        status=status,
        body=orjson.dumps(facts),
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: "no-store"},
    )
