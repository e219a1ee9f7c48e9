"""Redis, asked once and quickly or not at all.

redis-py retries by itself: an honest `SET NX` whose answer is lost would then look like a replay, and with
Redis away an answer would take seconds. So here there are no retries, and nothing waits longer than `TIMEOUT`;
whoever asks turns silence into `REPLAY_STORE_UNAVAILABLE` (wire contract, section 7).

A server that evicts keys to make room forgets nonces: `require_noeviction` refuses it at the start.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from vestry_service.errors import StartError
from vestry_service.logging import Logger

TIMEOUT: Final = 0.25  # seconds, for connecting and for every answer


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Redis]:
    """Yield a client for `redis://`, `rediss://` or `unix://`; it connects when first used.

    TLS is set by arguments of the URL, e.g. `?ssl_ca_certs=/run/ca.pem`.
    """
    client: Redis = Redis.from_url(
        url,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # the newer one greets a connection with commands that an access list may forbid
        driver_info=None,
    )
    try:
        yield client
    finally:
        await client.aclose()


async def require_noeviction(client: Redis, logger: Logger) -> None:
    """Refuse a server that may forget nonces to make room.

    A server that is away, or does not let us ask, is warned about: nothing verifies without it anyway,
    and its owner may have forbidden INFO.

    Raises:
        StartError: its `maxmemory-policy` is another than `noeviction`.
    """
    try:
        policy = (await client.info("memory")).get("maxmemory_policy")
    except (NoPermissionError, ResponseError) as error:
        logger.warning(
            "redis does not tell its maxmemory-policy: make sure it is noeviction", cause=str(error)
        )
        return
    except RedisError as error:
        logger.warning("redis is away: its maxmemory-policy is not known", cause=type(error).__name__)
        return
    if policy != "noeviction":
        raise StartError(
            f"REDIS_URL: the server's maxmemory-policy is {policy}, so it may forget nonces and let "
            "signatures be replayed; set maxmemory-policy noeviction"
        )
