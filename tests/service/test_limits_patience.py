"""One request waits for Redis about as long as one trip may take, however often it asks."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from replay_stores import ALICE, CLOCK_SKEW, claim, now
from vestry_service import limits_patience
from vestry_service.limits_patience import PatientStore, begin, patiently
from vestry_service.replay import Answer, Claim
from vestry_service.replay_memory import MemoryReplayStore, MemoryServer
from vestry_signatures.errors import ReplayStoreUnavailable


class Hanging(MemoryReplayStore):
    """A store that never answers, and whose trips have no deadline of their own."""

    def __init__(self) -> None:
        super().__init__(MemoryServer(time.time), CLOCK_SKEW)

    async def spend(self, claims: Sequence[Claim], now: int) -> list[Answer]:
        await asyncio.Event().wait()
        return await super().spend(claims, now)

    async def recheck(self, claims: Sequence[Claim]) -> list[Answer]:
        await asyncio.Event().wait()
        return await super().recheck(claims)


async def seconds_until_refused(store: PatientStore) -> float:
    started = time.monotonic()
    with pytest.raises(ReplayStoreUnavailable):
        await store.spend([claim()], now())
    return time.monotonic() - started


@pytest.fixture
def a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a request have a second and at least 0.3, so that a busy machine does not blur what is measured."""
    monkeypatch.setattr(limits_patience, "TIMEOUT", 1.0)
    monkeypatch.setattr(limits_patience, "LEAST", 0.3)


def test_the_time_of_a_request_is_that_of_a_trip() -> None:
    """250 ms in all (wire contract, section 7) and a moment, of which 100 ms are left in any case."""
    assert (limits_patience.TIMEOUT, limits_patience.LEAST, limits_patience.MOMENT) == (0.25, 0.1, 0.02)


@pytest.mark.usefixtures("a_second")
async def test_what_the_limits_took_the_nonce_lacks() -> None:
    """A check that was slow, and a store that hangs after it: the wait ends when the request's time is over."""
    store = PatientStore(Hanging())
    begin()
    await patiently(asyncio.sleep(0.5))
    assert 0.4 < await seconds_until_refused(store) < 0.9


@pytest.mark.usefixtures("a_second")
async def test_a_little_is_always_left() -> None:
    """A check that took all the time, perhaps for want of a processor, leaves the nonce some."""
    store = PatientStore(Hanging())
    begin()
    await patiently(asyncio.sleep(0.9))
    assert 0.25 < await seconds_until_refused(store) < 0.9
    with pytest.raises(ReplayStoreUnavailable):
        await store.recheck([claim()])


async def test_each_request_of_a_connection_has_its_own_time() -> None:
    """What one request used up is not missing at the next one, which the same task handles."""
    store = PatientStore(Hanging())
    for _ in range(2):
        begin()
        await patiently(asyncio.sleep(0.05))
        assert await seconds_until_refused(store) > 0.15


async def test_a_moment_is_not_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """After quick trips the next one has all of its time; together with a slow one it is taken off."""
    monkeypatch.setattr(limits_patience, "MOMENT", 0.1)
    store = PatientStore(Hanging())
    begin()
    for _ in range(3):
        await patiently(asyncio.sleep(0))
    with pytest.raises(TimeoutError):  # of ours: nothing ends this wait but the trip's own deadline
        async with asyncio.timeout(0.35):
            await store.spend([claim()], now())
    assert await seconds_until_refused(store) < 0.3


async def test_work_between_the_trips_is_not_counted() -> None:
    """Reading Postgres for a while leaves Redis all of its time."""
    store = PatientStore(MemoryReplayStore(MemoryServer(time.time), CLOCK_SKEW))
    begin()
    await asyncio.sleep(0.3)
    [answer] = await store.spend([claim()], now())
    assert answer.fresh


async def test_it_is_the_store_for_all_else() -> None:
    """Answers and errors of the store pass through, also where nobody said that a request began."""
    server = MemoryServer(time.time)
    store = PatientStore(MemoryReplayStore(server, CLOCK_SKEW))
    one = claim()
    assert [(await store.spend([one], now()))[0].fresh for _ in range(2)] == [True, False]
    assert (await store.recheck([one]))[0].fresh
    assert await store.look(ALICE) is None
    with pytest.raises(ValueError, match="no claim"):
        await store.spend([], now())
    server.fail()
    with pytest.raises(ReplayStoreUnavailable):
        await store.look(ALICE)
    await store.aclose()
