"""So many at once, so many new ones, and no more."""

import asyncio

import pytest

from vestry_verifier.foreign.curiosity import Curiosity
from vestry_verifier.foreign.places import Places, domain_of


class Crowd:
    """Some who want places, and stay where they are let in."""

    def __init__(self, places: Places, *, known: bool) -> None:
        self._places = places
        self._known = known
        self.inside: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, *hosts: str) -> list[str]:
        """Have one more for each host; return the hosts of all who are inside then."""
        self._tasks += [asyncio.create_task(self._stay(host)) for host in hosts]
        await asyncio.sleep(0.01)
        return sorted(self.inside)

    async def _stay(self, host: str) -> None:
        async with self._places.at(host, self._known):
            self.inside.append(host)
            await asyncio.get_running_loop().create_future()

    async def go(self) -> None:
        """Have all of them go, those who wait too."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _lines(places: Places) -> int:
    return sum(map(len, vars(places).values()))


async def test_places() -> None:
    """Four for a host and so many in all; a host that keeps its own busy keeps no others; nothing is left behind."""
    places = Places(4, 12)
    crowd = Crowd(places, known=True)
    assert (
        await crowd.come(*["slow.test"] * 20, "a.test", "b.test") == ["a.test", "b.test"] + ["slow.test"] * 4
    )
    assert len(await crowd.come(*(f"h{number}.test{number}" for number in range(20)))) == 12
    await crowd.go()
    assert _lines(places) == 0


async def test_places_of_strangers() -> None:
    """Three quarters are for what was never had, of a host's and of all; and of those a quarter for a domain."""
    places = Places(4, 16)
    strangers, known = Crowd(places, known=False), Crowd(places, known=True)
    evil = [f"h{number}.evil.test:{8000 + number}" for number in range(50)]
    assert len(await strangers.come(*evil)) == 3
    assert "honest.test" in await strangers.come("honest.test")
    assert len(await strangers.come(*(f"h.evil{number}.test" for number in range(50)))) == 12
    assert await known.come("h1.evil.test", *"abc") == ["a", "b", "c", "h1.evil.test"]
    await strangers.go()
    assert len(await Crowd(places, known=False).come(*["slow.test"] * 9)) == 3
    assert await known.come("slow.test") == ["a", "b", "c", "h1.evil.test", "slow.test"]


async def test_places_of_known_ones_of_one_domain() -> None:
    """Whoever has had many hosts fetched well and lets them fall silent then keeps half of the places."""
    crowd = Crowd(Places(4, 16), known=True)
    assert len(await crowd.come(*(f"h{number}.evil.test" for number in range(50)))) == 8
    assert "bot.example" in await crowd.come("bot.example")


@pytest.mark.parametrize(
    ("authority", "domain"),
    [
        ("a.b.bot.example", "bot.example"),
        ("bot.example:8443", "bot.example"),
        ("localhost:3000", "localhost"),
        ("8.8.4.4:8443", "8.8.0.0/16"),
        ("8.8.4.4", "8.8.0.0/16"),
        ("[2001:db8:1::1]:8443", "2001:db8::/32"),
        ("[2001:db8:2::1]", "2001:db8::/32"),
    ],
)
def test_domains(authority: str, domain: str) -> None:
    """Hosts that one owner has without cost count as neighbours, whatever their ports."""
    assert domain_of(authority) == domain


async def test_place_of_one_who_goes_away() -> None:
    """Who goes away, waiting or within, leaves the place to the next."""
    places = Places(1, 1)
    for known in (True, False):
        async with places.at("a", known):
            waiting = asyncio.create_task(places.take("a", known))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(1), places.at("a", known):
            pass
    assert _lines(places) == 0


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
