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
from functools import lru_cache
from typing import Final

from aiohttp import web
from prometheus_client import Counter

from vestry_registrar.settings import RegistrarSettings
from vestry_service.errors import RateLimited
from vestry_service.exchange import Answer, Exchange, Reply
from vestry_service.limits import Check, Limiter, Rate, counted_as
from vestry_service.limits_fields import RATE_LIMIT, Counted, fields_of
from vestry_service.limits_patience import begin, patiently
from vestry_service.observed import OBSERVED, Observed
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

ADDRESSES: Final = 1024  # whose checks are kept near: clients choose them, so they may not fill the memory

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Limits:
    """The limits of one registrar."""

    def __init__(self, settings: RegistrarSettings, limiter: Limiter, refused: Counter) -> None:
        """Take the rates, where the buckets are kept, and what counts refusals by `limit`."""
        self._limiter = limiter
        self._register = settings.limit_register
        self._changes = settings.limit_changes
        self._failed_proofs = settings.limit_failed_proofs
        self._refused = refused
        self._of_address = lru_cache(maxsize=ADDRESSES)(self._at_the_door)

    def enrolling(self, answer: Answer) -> Answer:
        """Limit what registers a new key."""

        async def limited(exchange: Exchange) -> Reply:
            seen = exchange.seen
            await self._let_in(seen, registers=True)
            try:
                reply = await answer(exchange)
            except SignatureError as error:
                await self._hold_against(seen, error)
                raise
            return reply._replace(headers=fields_of(seen.counted)) if seen.counted else reply

        return limited

    def proving(self, handler: Handler) -> Handler:
        """Limit a handler to which an agent proves who it is."""

        async def limited(request: web.Request) -> web.StreamResponse:
            seen = request[OBSERVED]
            await self._let_in(seen, registers=False)
            try:
                return await handler(request)
            except SignatureError as error:
                await self._hold_against(seen, error)
                raise

        return limited

    async def change(self, seen: Observed, uid: str) -> None:
        """Count a change of keys that an agent has just proven to want (3). Raises RateLimited."""
        await self._require(seen, self._checks((CHANGES, uid, self._changes)))

    async def revocation(self, seen: Observed, kid: str) -> None:
        """Count a revocation that the holder of a key has just proven to want (4). Raises RateLimited."""
        await self._require(seen, self._checks((REVOCATIONS, kid, self._changes)))

    async def _let_in(self, seen: Observed, *, registers: bool) -> None:
        """Ask what counts against the client's address (1). Raises RateLimited."""
        begin()
        await self._require(seen, self._of_address(counted_as(seen.client_ip or ""), registers))

    def _at_the_door(self, address: str, registers: bool) -> tuple[Check, ...]:
        looks = [check._replace(pours=False) for check in self._failures(address)]
        pours = self._checks((REGISTER, address, self._register)) if registers else []
        return (*looks, *pours)

    async def _hold_against(self, seen: Observed, error: SignatureError) -> None:
        """Count a failed proof (2). Without Redis nobody passes (1), so nothing is lost if that cannot be done."""
        if _is_failed_proof(seen, error):
            with suppress(ReplayStoreUnavailable):
                await self._ask(seen, self._failures(counted_as(seen.client_ip or "")))

    def _failures(self, address: str) -> list[Check]:
        return self._checks((FAILED_PROOFS, address, self._failed_proofs))

    @staticmethod
    def _checks(*wanted: tuple[str, str, Rate | None]) -> list[Check]:
        """Return the checks of those limits that are on."""
        return [Check(limit, subject, rate) for limit, subject, rate in wanted if rate is not None]

    async def _require(self, seen: Observed, checks: Sequence[Check]) -> None:
        for check, verdict in await self._ask(seen, checks):
            if not verdict.allowed:
                self._refused.labels(check.limit).inc()
                raise RateLimited(WORDS[check.limit], verdict.wait)

    async def _ask(self, seen: Observed, checks: Sequence[Check]) -> list[Counted]:
        if not checks:
            return []
        verdicts = await patiently(self._limiter.ask(checks))
        answers = list(zip(checks, verdicts, strict=True))
        shown = [each for each in answers if each[0].pours or not each[1].allowed]
        seen.counted = shown if seen.counted is None else [*seen.counted, *shown]
        return answers


def _is_failed_proof(seen: Observed, error: SignatureError) -> bool:
    # After a proof that held the same classes say something else, e.g. that another rotation came first.
    return error.outcome != "unsigned" and seen.outcome != "verified"


async def show(request: web.Request, response: web.StreamResponse) -> None:
    """Write into an answer what its request was counted against (an `on_response_prepare` signal)."""
    seen = request.get(OBSERVED)
    if seen is not None and seen.counted and RATE_LIMIT not in response.headers:
        response.headers.update(fields_of(seen.counted))
