"""What every limiter promises: one contract, over the fake and over a real Valkey; and what its verdicts say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from replay_stores import RealServer, Server
from stores import ValkeyServer
from vestry_service.limits import MICROSECONDS, Check, Limiter, Rate, Verdict, counted_as, judge
from vestry_service.limits_memory import MemoryLimiter
from vestry_service.limits_redis import RedisLimiter
from vestry_service.replay_memory import MemoryServer
from vestry_signatures.errors import ReplayStoreUnavailable

TEN = Rate(10, 3600)
"""Ten at once, then one in six minutes: no test lasts long enough for another."""


@dataclass
class Buckets:
    """A limiter and the server that keeps its buckets."""

    limiter: Limiter
    server: Server

    async def ask(self, *checks: Check) -> list[Verdict]:
        return await self.limiter.ask(checks)

    async def pour(self, rate: Rate = TEN, subject: str = "192.0.2.7", limit: str = "register") -> Verdict:
        [verdict] = await self.ask(Check(limit, subject, rate))
        return verdict

    async def look(self, rate: Rate = TEN, subject: str = "192.0.2.7") -> Verdict:
        [verdict] = await self.ask(Check("register", subject, rate, pours=False))
        return verdict


def fake(clock: Callable[[], float] = time.time) -> Buckets:
    server = MemoryServer(clock)
    return Buckets(MemoryLimiter(server, clock), server)


async def open_buckets(request: pytest.FixtureRequest, valkey: str) -> AsyncIterator[Buckets]:
    if request.param == "fake":
        yield fake()
        return
    server: ValkeyServer = request.getfixturevalue(valkey)
    limiter = RedisLimiter(server.url)
    yield Buckets(limiter, RealServer(server))
    await limiter.aclose()


@pytest.fixture(params=["fake", "valkey"])
async def buckets(request: pytest.FixtureRequest) -> AsyncIterator[Buckets]:
    """Empty buckets that nothing bad happens to."""
    async for opened in open_buckets(request, "valkey"):
        yield opened


@pytest.fixture(params=["fake", "valkey"])
async def fragile(request: pytest.FixtureRequest) -> AsyncIterator[Buckets]:
    """Empty buckets on a server that the test may ill-treat."""
    async for opened in open_buckets(request, "own_valkey"):
        yield opened


async def test_as_many_as_the_limit_says_and_no_more(buckets: Buckets) -> None:
    """All of the burst may come at once, the next one waits for exactly one drop; asking again makes it no longer."""
    allowed = [await buckets.pour() for _ in range(10)]
    assert [verdict.remaining for verdict in allowed] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert all(verdict.allowed and 355 <= verdict.wait <= 360 for verdict in allowed)
    for _ in range(5):
        refused = await buckets.pour()
        assert not refused.allowed
        assert refused.remaining == 0
        assert 355 <= refused.wait <= 360


async def test_forty_at_once_exactly_at_the_limit(buckets: Buckets) -> None:
    """Of fifty who ask at the same moment for a limit of forty, forty pass."""
    verdicts = await asyncio.gather(*(buckets.pour(Rate(40, 3600)) for _ in range(50)))
    assert sum(verdict.allowed for verdict in verdicts) == 40


@pytest.mark.parametrize("rate", [Rate(1, 1), Rate(7, 60), Rate(999, 7), Rate(1, 86_400)])
async def test_any_rate_lets_its_count_pass_at_once(buckets: Buckets, rate: Rate) -> None:
    """Also where the seconds do not divide by the count: nothing is lost or won by rounding."""
    started = time.monotonic()
    check = Check("register", "192.0.2.7", rate)
    verdicts = await buckets.ask(*[check] * (rate.count // 2)) if rate.count > 1 else []
    verdicts += await buckets.ask(*[check] * (rate.count - rate.count // 2 + 1))
    drained = (time.monotonic() - started) * MICROSECONDS / rate.drop
    assert rate.count <= sum(verdict.allowed for verdict in verdicts) <= rate.count + drained
    assert verdicts[0].remaining == rate.count - 1


async def test_room_comes_back_drop_by_drop(buckets: Buckets) -> None:
    """A full bucket of five a second takes one more after a fifth of a second, not after the whole second."""
    rate = Rate(5, 1)
    started = time.monotonic()
    assert all([(await buckets.pour(rate)).allowed for _ in range(5)])
    refused = await buckets.pour(rate)
    if time.monotonic() - started < 0.2:
        assert not refused.allowed
    await asyncio.sleep(0.21)
    assert (await buckets.pour(rate)).allowed


async def test_looking_pours_nothing(buckets: Buckets) -> None:
    """A look tells whether there is room, as often as one likes."""
    assert await buckets.look() == Verdict(True, 10, 0)
    for _ in range(9):
        await buckets.pour()
    assert [(await buckets.look()).remaining for _ in range(3)] == [1, 1, 1]
    await buckets.pour()
    looked = await buckets.look()
    assert not looked.allowed
    assert 355 <= looked.wait <= 360


async def test_everybody_has_a_bucket_for_each_limit(buckets: Buckets) -> None:
    """Nobody is held up by another's requests, nor by his own of another kind; verdicts come in order."""
    rate = Rate(1, 3600)
    assert (await buckets.pour(rate)).allowed
    verdicts = await buckets.ask(
        Check("register", "192.0.2.7", rate),
        Check("register", "192.0.2.8", rate),
        Check("changes", "192.0.2.7", rate),
    )
    assert [verdict.allowed for verdict in verdicts] == [False, True, True]


async def test_the_same_bucket_twice_in_one_trip(buckets: Buckets) -> None:
    """The second check of a trip sees what the first has poured."""
    check = Check("register", "192.0.2.7", Rate(1, 3600))
    assert [verdict.allowed for verdict in await buckets.ask(check, check)] == [True, False]


async def test_nothing_asked_is_not_nothing_wrong(buckets: Buckets) -> None:
    """A request without a check cannot pass by an empty list of verdicts."""
    with pytest.raises(ValueError, match="no bucket"):
        await buckets.ask()


async def test_a_bucket_is_kept_no_longer_than_it_drains(buckets: Buckets) -> None:
    """An empty bucket is gone: addresses that came once occupy memory for one drop."""
    rate = Rate(10, 2)
    check = Check("register", "192.0.2.7", rate)
    await buckets.ask(check)
    assert buckets.server.get(check.key) is not None
    await asyncio.sleep(0.25)
    assert buckets.server.get(check.key) is None


@pytest.mark.parametrize("level", [10**9, 10**15])
async def test_a_bucket_fuller_than_full_drains_from_full(buckets: Buckets, level: int) -> None:
    """A server's clock that was set back, or a rate that was lowered, locks nobody out for longer than one drop."""
    rate = Rate(10, 2)
    check = Check("register", "192.0.2.7", rate)
    buckets.server.put(check.key, b"%d" % (time.time_ns() // 1000 + level))
    refused = await buckets.pour(rate)
    assert (refused.allowed, refused.wait) == (False, 1)
    await asyncio.sleep(0.21)
    assert (await buckets.pour(rate)).allowed


async def test_away(fragile: Buckets) -> None:
    """A store that does not answer lets nobody pass, and says so at once."""
    assert (await fragile.pour()).allowed
    fragile.server.fail()
    started = time.monotonic()
    outcomes = await asyncio.gather(fragile.pour(), fragile.look(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ReplayStoreUnavailable] * 2
    assert time.monotonic() - started < 0.4
    fragile.server.heal()
    assert (await fragile.look()).allowed


async def test_flushed(fragile: Buckets) -> None:
    """A store that was emptied starts with empty buckets."""
    for _ in range(11):
        verdict = await fragile.pour()
    assert not verdict.allowed
    fragile.server.forget()
    assert (await fragile.pour()).remaining == 9


async def test_a_day_of_draining_by_the_fakes_clock() -> None:
    """Over a long time exactly the rate passes: the burst, and then one a drop."""
    times = [1_800_000_000.0]
    buckets = fake(lambda: times[0])
    rate, passed = Rate(30, 60), 0
    for _ in range(3600):
        passed += (await buckets.pour(rate)).allowed
        times[0] += 1
    assert passed == 30 + 3600 // 2 - 1


def test_verdicts_say_when_one_more_fits() -> None:
    """`remaining` is how many fit now, `wait` when that grows by one, in whole seconds that are never too short."""
    rate = Rate(30, 60)
    assert judge(rate, 0) == Verdict(True, 30, 0)
    assert judge(rate, 2_000_000) == Verdict(True, 29, 2)
    assert judge(rate, 1_999_999) == Verdict(True, 29, 2)
    assert judge(rate, 3_000_001) == Verdict(True, 28, 2)
    assert judge(rate, 60_000_000) == Verdict(True, 0, 2)
    assert judge(rate, 58_500_000) == Verdict(True, 0, 1)
    assert judge(rate, -1) == Verdict(False, 0, 1)
    assert judge(rate, -2_000_000) == Verdict(False, 0, 2)


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        ("}register{", "unknown"),
    ],
)
def test_as_whom_an_address_counts(address: str, subject: str) -> None:
    """IPv4 by the address, IPv6 by the /64, IPv4 in IPv6 clothes as IPv4; nothing else has a name."""
    assert counted_as(address) == subject


def test_the_name_of_a_bucket() -> None:
    """All buckets of one subject carry one hash tag: a trip about one client stays in one slot of a Cluster."""
    names = [Check(limit, "2001:db8::/64", TEN).key for limit in ("register", "failed-proofs")]
    assert names == [b"l{2001:db8::/64}register", b"l{2001:db8::/64}failed-proofs"]
