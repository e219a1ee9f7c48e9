"""What is kept of a nonce in Redis, and of an agent in the verifier. (Of an agent in Postgres: lookups.py.)"""

import secrets
import time
from typing import Final

import uvloop
from redis import Redis

from bench import traffic
from bench.fleet import add_agents
from bench.ground import CONNECTIONS, Ground, vestry
from bench.load import rate
from bench.report import Goal, Measurement, Row
from vestry_service.replay import Claim, nonce_digest
from vestry_service.replay_redis import RedisReplayStore
from vestry_signatures import generate

NONCES: Final = 200_000
AGENTS: Final = 12_000
WARM_UP: Final = 2_000


def memory(ground: Ground) -> list[Row]:
    """Measure both, each once: they do not depend on how busy the machine is."""
    return [
        Measurement("Redis, a nonce", "", [_nonce(ground)], "B", Goal(120, at_most=True)),
        Measurement("verifier, an agent in its cache", "", [_agent(ground)], "B", Goal(1500, at_most=True)),
    ]


def _nonce(ground: Ground) -> float:
    """Spend nonces as a verifier does, on a part of the store that is empty, and see what they add."""
    url = f"{ground.stores.valkey.url}?db=1"
    with Redis.from_url(url) as redis:
        before, keys = redis.info("memory")["used_memory"], redis.dbsize()
        uvloop.run(_spend(url))
        more: int = redis.info("memory")["used_memory"] - before
        spent: int = redis.dbsize() - keys
        redis.flushdb()
    if spent != NONCES:
        raise SystemExit(f"bench: {NONCES} nonces were spent, and {spent} are there")
    return more / spent


async def _spend(url: str) -> None:
    store = RedisReplayStore(url, 60)
    now, kids = int(time.time()), [generate().public.kid for _ in range(1000)]
    for _ in range(NONCES // 250):
        named = [(secrets.choice(kids), secrets.token_urlsafe(64)) for _ in range(250)]
        await store.spend([Claim(kid, nonce_digest(kid, nonce), now + 300, now) for kid, nonce in named], now)
    await store.aclose()


def _agent(ground: Ground) -> float:
    """Let a fresh verifier meet agents, each once, and see how it grows; the first ones fill its pools."""
    folder = ground.folder / "memory"
    folder.mkdir()
    _ = ground.vestry  # its registrar has migrated the database
    agents = add_agents(ground.stores.postgres.url, WARM_UP + AGENTS)
    with vestry(folder, ground.stores) as running:
        port, base = running.verifier.port, f"localhost:{running.registrar.port}"
        requests = [
            traffic.verify_requests(
                f"localhost:{port}", [traffic.Agent(key, f"http://agent-{uid}.{base}")], 1
            )[0]
            for uid, key in agents
        ]
        rate(port, requests[:WARM_UP], CONNECTIONS, 600)
        before = running.verifier.memory()
        rate(port, requests[WARM_UP:], CONNECTIONS, 600)
        return (running.verifier.memory() - before) / AGENTS
