"""So many at once, so many new ones, and no more."""

import asyncio

from vestry_verifier.foreign.curiosity import Curiosity
from vestry_verifier.foreign.places import Places


async def test_places() -> None:
    """Four for a host and so many in all; a host that keeps its own busy keeps no others; nothing is left behind."""
    places, leave = Places(4, 6), asyncio.Event()
    inside: list[str] = []

    async def stay(host: str) -> None:
        async with places.at(host):
            inside.append(host)
            await leave.wait()

    async with asyncio.TaskGroup() as group:
        for host in ["slow"] * 20 + ["a", "b", "c"]:
            group.create_task(stay(host))
        await asyncio.sleep(0.01)
        assert sorted(inside) == ["a", "b", "slow", "slow", "slow", "slow"]
        leave.set()
    assert len(inside) == 23
    assert places._hosts == places._interested == {}


async def test_place_of_one_who_goes_away() -> None:
    """Who goes away, waiting or within, leaves the place to the next."""
    places = Places(1, 1)
    async with places.at("a"):
        waiting = asyncio.create_task(places.at("a").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), places.at("a"):
        pass


def test_curiosity() -> None:
    """A host has its own measure, which comes back with time; what is remembered of hosts is bounded."""
    curiosity = Curiosity(depth=3, drain=0.5, hosts=2)
    assert [curiosity.allows("a", 100) for _ in range(5)] == [True, True, True, False, False]
    assert curiosity.allows("b", 100)
    assert not curiosity.allows("a", 101)
    assert curiosity.allows("a", 102)
    assert not curiosity.allows("a", 102)
    assert not curiosity.allows("a", 90)  # a clock that was set back gives nothing
    curiosity.allows("c", 102)
    assert len(curiosity._levels) == 2
