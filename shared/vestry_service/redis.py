"""Is Redis there, and will it remember? For the health check, and for the start.

A server that evicts keys to make room forgets nonces: `require_noeviction` refuses it at the start.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vestry_service.errors import StartError
from vestry_service.logging import Logger
from vestry_service.store.greeting import Refused, parse_info
from vestry_service.store.link import Link
from vestry_service.store.open import Primaries, open_primaries
from vestry_signatures.errors import ReplayStoreUnavailable


class Redis:
    """Whatever REDIS_URL names, asked how it is."""

    def __init__(self, primaries: Primaries) -> None:
        self._primaries = primaries

    async def ping(self) -> None:
        """Raise ReplayStoreUnavailable, within half a second, where nothing can be verified.

        Of a Cluster a majority of the primaries must know one another: one that is away takes down its own part.
        """
        links = await self._links()
        if (one := links.get("")) is not None:
            await one.ask(("PING",))

    async def policies(self) -> dict[str, str]:
        """Return the `maxmemory-policy` of every primary. Raises ReplayStoreUnavailable: one does not answer."""
        policies = {}
        for node, link in (await self._links()).items():
            [reply] = await link.ask(("INFO", "memory"))
            policies[f"node {node}" if node else "the server"] = parse_info(reply).get("maxmemory_policy", "")
        return policies

    async def _links(self) -> dict[str, Link]:
        try:
            return await self._primaries.links()
        except OSError as error:
            raise ReplayStoreUnavailable from error


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Redis]:
    """Yield what REDIS_URL names; it connects when first asked."""
    primaries = open_primaries(url)
    try:
        yield Redis(primaries)
    finally:
        await primaries.aclose()


async def require_noeviction(redis: Redis, logger: Logger) -> None:
    """Refuse a server that may forget nonces to make room.

    A server that is away, or does not let us ask, is warned about: nothing verifies without it anyway.

    Raises:
        StartError: its `maxmemory-policy` is another than `noeviction`.
    """
    try:
        policies = await redis.policies()
    except ReplayStoreUnavailable as error:
        cause = error.__cause__
        told = str(cause) if isinstance(cause, Refused) else type(cause).__name__
        logger.warning("redis is away, or refuses us: its maxmemory-policy is not known", cause=told)
        return
    for server, policy in policies.items():
        if policy != "noeviction":
            raise StartError(
                f"REDIS_URL: the maxmemory-policy of {server} is {policy}, so it may forget nonces and let "
                "signatures be replayed; set maxmemory-policy noeviction"
            )
