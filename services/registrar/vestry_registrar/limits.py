"""Which limit counts where, and against whom (`vestry_service.limits` says how they count).

| limit | counts | against | setting |
| --- | --- | --- | --- |
| `register` | attempts to register an agent or a tool | the client's address | `LIMIT_REGISTER` |
| `failed-proofs` | signatures that were judged and did not hold | the client's address | `LIMIT_FAILED_PROOFS` |
| `changes` | changes of an agent's keys | the agent | `LIMIT_CHANGES` |
| `revocations` | revocations | the key that signs | `LIMIT_CHANGES` |

1. What counts against an address is asked before anything else is done, the body unread: `register` is counted,
   `failed-proofs` looked at. Whoever is over either is refused for less than the refusal costs him.
2. A failed proof is counted when it has failed. What was under way by then passes (1) once more, no more than that.
   A request that is not signed proves nothing and counts for nothing; a store that is away is nobody's failure.
3. What counts against an agent is counted after its proof alone, or any stranger who knows its uid could keep it from
   changing its keys.
4. Revocations have a bucket for each key. A thief with one of several keys could otherwise use up the changes of
   the agent, and so keep its owner from revoking the stolen key with another one. Nobody gets around a limit by
   having more keys: each has to be added first, which is a change.

An answer shows what its request was counted against, in the fields RateLimit and RateLimit-Policy of
draft-ietf-httpapi-ratelimit-headers-10; by (3) a stranger learns nothing about an agent. The verifier limits nobody
by itself: those who ask it are tools, and what strangers send them must not be held against them. A tool may limit
each agent, though (`vestry_verifier.limited`).
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from aiohttp import web
from prometheus_client import Counter

from vestry_registrar.settings import RegistrarSettings
from vestry_service.errors import RateLimited
from vestry_service.limits import Check, Limiter, Rate, counted_as
from vestry_service.limits_fields import Counted, fields_of
from vestry_service.limits_patience import begin, waiting
from vestry_service.observed import OBSERVED
from vestry_signatures.errors import ReplayStoreUnavailable, SignatureError

REGISTER: Final = "register"
CHANGES: Final = "changes"
REVOCATIONS: Final = "revocations"
FAILED_PROOFS: Final = "failed-proofs"
WORDS: Final = {
    REGISTER: "too many registrations from this address",
    CHANGES: "too many changes of this agent's keys",
    REVOCATIONS: "too many revocations with this key",
    FAILED_PROOFS: "too many signatures from this address did not hold",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
COUNTED: Final = web.RequestKey("COUNTED", list)
"""What a request was counted against so far: a list of `Counted`."""


class Limits:
    """The limits of one registrar."""

    def __init__(self, settings: RegistrarSettings, limiter: Limiter, refused: Counter) -> None:
        """Take the rates, where the buckets are kept, and what counts refusals by `limit`."""
        self._limiter = limiter
        self._register = settings.limit_register
        self._changes = settings.limit_changes
        self._failed_proofs = settings.limit_failed_proofs
        self._refused = refused

    def enrolling(self, handler: Handler) -> Handler:
        """Limit a handler that registers a new key."""
        return self._by_address(handler, registers=True)

    def proving(self, handler: Handler) -> Handler:
        """Limit a handler to which an agent proves who it is."""
        return self._by_address(handler, registers=False)

    async def change(self, request: web.Request, uid: str) -> None:
        """Count a change of keys that an agent has just proven to want (3). Raises RateLimited."""
        await self._require(request, self._checks((CHANGES, uid, self._changes)))

    async def revocation(self, request: web.Request, kid: str) -> None:
        """Count a revocation that the holder of a key has just proven to want (4). Raises RateLimited."""
        await self._require(request, self._checks((REVOCATIONS, kid, self._changes)))

    def _by_address(self, handler: Handler, *, registers: bool) -> Handler:
        async def limited(request: web.Request) -> web.StreamResponse:
            begin()
            address = counted_as(request[OBSERVED].client_ip or "")
            failures = self._checks((FAILED_PROOFS, address, self._failed_proofs))
            looks = [check._replace(pours=False) for check in failures]
            pours = self._checks((REGISTER, address, self._register)) if registers else []
            await self._require(request, [*looks, *pours])  # (1)
            try:
                return await handler(request)
            except SignatureError as error:
                if _is_failed_proof(request, error):
                    await self._note(request, failures)  # (2)
                raise

        return limited

    @staticmethod
    def _checks(*wanted: tuple[str, str, Rate | None]) -> list[Check]:
        """Return the checks of those limits that are on."""
        return [Check(limit, subject, rate) for limit, subject, rate in wanted if rate is not None]

    async def _require(self, request: web.Request, checks: Sequence[Check]) -> None:
        for check, verdict in await self._ask(request, checks):
            if not verdict.allowed:
                self._refused.labels(check.limit).inc()
                raise RateLimited(WORDS[check.limit], verdict.wait)

    async def _note(self, request: web.Request, checks: Sequence[Check]) -> None:
        """Count what has happened already. Without Redis nobody passes (1), so nothing is lost if this fails."""
        with suppress(ReplayStoreUnavailable):
            await self._ask(request, checks)

    async def _ask(self, request: web.Request, checks: Sequence[Check]) -> list[Counted]:
        if not checks:
            return []
        async with waiting():
            verdicts = await self._limiter.ask(checks)
        answers = list(zip(checks, verdicts, strict=True))
        shown = request.setdefault(COUNTED, [])
        shown += [(check, verdict) for check, verdict in answers if check.pours or not verdict.allowed]
        return answers


def _is_failed_proof(request: web.Request, error: SignatureError) -> bool:
    # After a proof that held the same classes say something else, e.g. that another rotation came first.
    return error.outcome != "unsigned" and request[OBSERVED].outcome != "verified"


async def show(request: web.Request, response: web.StreamResponse) -> None:
    """Write into an answer what its request was counted against (an `on_response_prepare` signal)."""
    counted: list[Counted] = request.get(COUNTED, [])
    response.headers.update(fields_of(counted))
