"""Are there as many replicas as `NONCE_REPLICAS` wants? Where there are fewer, every nonce is a 503 (`store.script`).

A primary lists its replicas, with what it last heard from each (INFO, section `replication`). Here one counts that is
brought up to date and was heard of within ten seconds, the time that Redis itself allows a good replica by default
(`min-replicas-max-lag`).
"""

from collections.abc import Mapping
from typing import Final

from vestry_service.health import Health
from vestry_service.logging import Logger
from vestry_service.redis import Redis
from vestry_service.store.greeting import Facts
from vestry_signatures.errors import ReplayStoreUnavailable

LONGEST_SILENCE: Final = 10
"""Seconds."""
TOO_FEW: Final = (
    "NONCE_REPLICAS is greater than the number of replicas that are connected: nothing verifies until there are "
    "enough. Connect more (REPLICAOF), or set it lower in both services"
)


class TooFewReplicas(Exception):
    """No primary has as many replicas as must hold a nonce before it counts."""


class Replicas:
    """How many replicas are wanted, and whether they are there."""

    def __init__(self, redis: Redis, wanted: int) -> None:
        self._redis = redis
        self._wanted = wanted

    async def ready(self) -> None:
        """Raise TooFewReplicas where nothing verifies: one primary of a Cluster takes down only its own part."""
        if not any(count >= self._wanted for count in (await self._connected()).values()):
            raise TooFewReplicas

    async def warn(self, logger: Logger) -> None:
        """Warn of every primary that has too few."""
        for server, count in (await self._connected()).items():
            if count < self._wanted:
                logger.warning(TOO_FEW, server=server, connected=count, wanted=self._wanted)

    async def _connected(self) -> Mapping[str, int]:
        """Count the replicas of every primary that answers."""
        told = await self._redis.info("replication")
        return {
            server: connected(facts)
            for server, facts in told.items()
            if not isinstance(facts, ReplayStoreUnavailable)
        }


async def look_after_replicas(redis: Redis, wanted: int, health: Health, logger: Logger) -> None:
    """Warn now where replicas are wanted and missing, and have the health say so from now on."""
    if wanted:
        replicas = Replicas(redis, wanted)
        health.add("replicas", replicas.ready)
        await replicas.warn(logger)


def connected(facts: Facts) -> int:
    """Count the replicas that a primary can rely on: `slave0:ip=…,port=…,state=online,offset=…,lag=0`."""
    lines = [line for name, line in facts.items() if name.startswith("slave") and name[5:].isdecimal()]
    return sum(
        _is_good(dict(part.split("=", 1) for part in line.split(",") if "=" in part)) for line in lines
    )


def _is_good(replica: Mapping[str, str]) -> bool:
    lag = replica.get("lag", "")
    return replica.get("state") == "online" and lag.isdecimal() and int(lag) <= LONGEST_SILENCE
