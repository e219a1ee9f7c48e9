"""What the limiter on a real Valkey promises beyond the contract: one trip, the server's clock, bounded memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis import Redis

from stores import ValkeyServer
from vestry_service.limits import Check, Rate
from vestry_service.limits_redis import ASK, TRIPS, RedisLimiter
from vestry_service.store.open import open_batcher
from vestry_signatures.errors import ReplayStoreUnavailable

HOURLY = Rate(10, 3600)


@pytest.fixture
async def limiter(valkey: ValkeyServer) -> AsyncIterator[RedisLimiter]:
    opened = RedisLimiter(valkey.url)
    yield opened
    await opened.aclose()


@pytest.fixture
def server(valkey: ValkeyServer) -> Iterator[Redis]:
    with Redis.from_url(valkey.url) as client:
        yield client


def scripts_run(server: Redis) -> int:
    stats = server.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


async def test_words_that_cannot_be_sent_hold_nobody_up(valkey: ValkeyServer) -> None:
    """A fault of our own before anything is sent is told at once, as often as it comes; others go on being served."""
    batcher = open_batcher(valkey.url, ASK, TRIPS)
    async with asyncio.timeout(5):
        for _ in range(TRIPS + 1):
            assert (await batcher.submit([b"l{a}x"], [1000, 50_000_000, 0])).values == [0]
            with pytest.raises(ReplayStoreUnavailable):
                await batcher.submit([b"l{a}x"], ["\udcff", 50_000_000, 0])
        await batcher.aclose()


async def test_one_trip_for_all_of_a_turn(limiter: RedisLimiter, server: Redis) -> None:
    """However many requests of one loop turn ask however many buckets, the server gets one call."""
    await limiter.ask([Check("register", "192.0.2.0", HOURLY)])
    before = scripts_run(server)
    pairs = [
        [
            Check("failed-proofs", f"192.0.2.{i}", HOURLY, pours=False),
            Check("register", f"192.0.2.{i}", HOURLY),
        ]
        for i in range(1, 101)
    ]
    answers = await asyncio.gather(*(limiter.ask(pair) for pair in pairs))
    assert all(verdict.allowed for verdicts in answers for verdict in verdicts)
    assert [verdict.remaining for verdict in answers[50]] == [10, 9]
    assert scripts_run(server) - before == 1


async def test_two_processes_share_a_bucket(limiter: RedisLimiter, valkey: ValkeyServer) -> None:
    """A limit counts for all copies of a service together."""
    other = RedisLimiter(valkey.url)
    check = Check("register", "192.0.2.7", HOURLY)
    verdicts = await asyncio.gather(*(each.ask([check]) for _ in range(10) for each in (limiter, other)))
    assert sum(verdict.allowed for [verdict] in verdicts) == 10
    await other.aclose()


async def test_a_flushed_script_is_sent_again(limiter: RedisLimiter, server: Redis) -> None:
    """A server that forgot the script pours once all the same."""
    check = Check("register", "192.0.2.7", HOURLY)
    assert [verdict.remaining for verdict in await limiter.ask([check])] == [9]
    server.script_flush()
    assert [verdict.remaining for verdict in await limiter.ask([check])] == [8]


async def test_the_time_kept_is_the_servers_to_the_microsecond(limiter: RedisLimiter, server: Redis) -> None:
    """What is stored is when the bucket will be empty by the server's clock, a whole number with every digit."""
    check = Check("register", "192.0.2.7", Rate(10, 1000))
    before = server.time()
    await limiter.ask([check])
    after = server.time()
    empty = int(server.get(check.key)) - check.rate.drop
    assert before[0] * 10**6 + before[1] <= empty <= after[0] * 10**6 + after[1]


async def test_a_flood_of_addresses_leaves_nothing_behind(limiter: RedisLimiter, server: Redis) -> None:
    """An address that comes once is forgotten after one drop; to be looked at or refused occupies nothing."""
    minutely, hasty = Rate(10, 600), Rate(10, 2)
    flood = [Check("register", f"2001:db8:0:{i:x}::/64", minutely) for i in range(2000)]
    before = server.info("memory")["used_memory"]
    await asyncio.gather(*(limiter.ask(flood[part : part + 200]) for part in range(0, 2000, 200)))
    assert server.info("memory")["used_memory"] - before < 2000 * 250
    lives = [server.pttl(key) for key in server.scan_iter("l{*", count=5000)]
    assert len(lives) == 2000
    assert min(lives) > 0
    assert max(lives) <= 60_000
    server.flushall()
    await limiter.ask([check._replace(rate=hasty) for check in flood[:200]])
    await asyncio.sleep(0.25)
    await limiter.ask([check._replace(pours=False) for check in flood[:200]])
    assert not list(server.scan_iter("l{*", count=5000))


async def test_what_nobody_can_read_counts_as_empty(limiter: RedisLimiter, server: Redis) -> None:
    """A damaged bucket locks nobody out."""
    check = Check("register", "192.0.2.7", HOURLY)
    server.set(check.key, "damaged")
    assert [verdict.remaining for verdict in await limiter.ask([check])] == [9]


async def test_few_rights_are_enough(valkey: ValkeyServer) -> None:
    """The rights that are documented are all that the limiter needs."""
    rights = ("~l*", "+info", "+eval", "+evalsha", "+set", "+get", "+time")
    valkey.command("ACL", "SETUSER", "limits", "on", ">secret", "resetkeys", "-@all", *rights)
    limiter = RedisLimiter(f"unix://limits:secret@{valkey.url.removeprefix('unix://')}")
    try:
        [verdict] = await limiter.ask([Check("register", "192.0.2.7", HOURLY)])
        assert verdict.allowed
    finally:
        await limiter.aclose()
        valkey.command("ACL", "DELUSER", "limits")
