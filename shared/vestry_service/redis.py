"""Is Redis there, and will it remember? For the health check, and for the start.

A server that evicts keys to make room forgets nonces: `require_noeviction` refuses it at the start.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vestry_service.errors import StartError
from vestry_service.logging import Logger
from vestry_service.store.greeting import Facts, Refused, parse_info
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

    async def info(self, section: str) -> dict[str, Facts | ReplayStoreUnavailable]:
        """Return a section of what every primary says of itself by what it is called, or why it does not tell."""
        try:
            links = await self._links()
        except ReplayStoreUnavailable as error:
            return {"redis": error}
        return {
            f"node {node}" if node else "the server": await _info(link, section)
            for node, link in links.items()
        }

    async def _links(self) -> dict[str, Link]:
        try:
            return await self._primaries.links()
        except OSError as error:
            raise ReplayStoreUnavailable from error


async def _info(link: Link, section: str) -> Facts | ReplayStoreUnavailable:
    try:
        [reply] = await link.ask(("INFO", section))
    except ReplayStoreUnavailable as error:
        return error
    return parse_info(reply)


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
    for server, facts in (await redis.info("memory")).items():
        if isinstance(facts, ReplayStoreUnavailable):
            cause = facts.__cause__
            told = str(cause) if isinstance(cause, Refused) else type(cause).__name__
            logger.warning(
                "redis is away, or refuses us: its maxmemory-policy is not known", server=server, cause=told
            )
        elif (policy := facts.get("maxmemory_policy", "unknown")) != "noeviction":
            raise StartError(
                f"REDIS_URL: the maxmemory-policy of {server} is {policy}, so it may forget nonces and let "
                "signatures be replayed; set maxmemory-policy noeviction"
            )
