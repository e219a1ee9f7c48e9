"""One resolution, every address judged: names, and names of this machine."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from services import until
from vestry_service.parsers import network
from vestry_verifier.foreign import resolver
from vestry_verifier.foreign.addresses import Addresses
from vestry_verifier.foreign.resolver import (
    AddressRefused,
    CheckedResolver,
    LookupsBusy,
    SystemLookup,
    checked_socket,
)


async def resolved(found: list[str], *allowed: str, host: str = "bot.example") -> list[str]:
    """What may be connected to, where a name has these addresses."""

    async def lookup(_name: str, _known: bool) -> list[str]:
        return found

    checked = CheckedResolver(lookup, Addresses(map(network, allowed)), known=False)
    return [each["host"] for each in await checked.resolve(host, 443)]


async def test_public_addresses() -> None:
    """All of them, in the order in which they came."""
    assert await resolved(["8.8.8.8", "2606:4700::1111"]) == ["8.8.8.8", "2606:4700::1111"]


@pytest.mark.parametrize("found", [["10.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1", "8.8.8.8"], ["x"]])
async def test_one_address_spoils_a_name(found: list[str]) -> None:
    """A name with a private address among public ones is refused as a whole."""
    with pytest.raises(AddressRefused):
        await resolved(found)


async def test_a_name_without_addresses() -> None:
    """It leads nowhere, which is another thing than leading somewhere private."""
    with pytest.raises(OSError, match="no address") as caught:
        await resolved([])
    assert not isinstance(caught.value, AddressRefused)


async def test_this_machine() -> None:
    """`localhost` and what is below it is never looked up, and is reached by the families that are allowed."""
    wrong = ["8.8.8.8"]
    assert await resolved(wrong, "127.0.0.0/8", host="a.localhost") == ["127.0.0.1"]
    assert await resolved(wrong, "127.0.0.1", "::1", host="localhost") == ["127.0.0.1", "::1"]
    with pytest.raises(AddressRefused):
        await resolved(wrong, host="localhost")


def test_no_socket_for_an_address_that_may_not_be_reached() -> None:
    """The last look is where the socket is made: also for a host that is an address itself."""
    make = checked_socket(Addresses())
    for family, address in (
        (socket.AF_INET, ("127.0.0.1", 443)),
        (socket.AF_INET6, ("::ffff:127.0.0.1", 443, 0, 0)),
    ):
        with pytest.raises(AddressRefused):
            make((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address))
    make((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("8.8.8.8", 443))).close()


async def test_the_systems_resolver() -> None:
    """It finds what the system knows, and says where there is nothing."""
    assert set(await SystemLookup()("127.0.0.1", False)) == {"127.0.0.1"}
    with pytest.raises(OSError, match=r"."):
        await SystemLookup()("a" * 70 + ".invalid", False)


async def test_a_few_of_many_addresses() -> None:
    """Of either family four are tried, in the order in which they came; that one of the others is private counts."""
    many = [f"8.8.8.{number}" for number in range(1, 200)]
    assert await resolved(many) == many[:4]
    assert await resolved(["2606:4700::1", *many, "2606:4700::2"]) == [
        "2606:4700::1",
        *many[:4],
        "2606:4700::2",
    ]
    with pytest.raises(AddressRefused):
        await resolved([*many, "10.0.0.1"])


class Hanging:
    """The system's resolver, for which names that begin with `hang` never end until they are let go."""

    def __init__(self) -> None:
        self.going = threading.Event()
        self.hung: list[str] = []

    def __call__(self, name: str) -> list[str]:
        if name.startswith("hang"):
            self.hung.append(name)
            assert self.going.wait(10)
        return [name]

    async def reach(self, number: int) -> None:
        """Wait until so many hang."""

        async def hang() -> bool:
            return len(self.hung) >= number

        await until(hang)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    made = Hanging()
    monkeypatch.setattr(resolver, "_getaddrinfo", made)
    yield made
    made.going.set()


async def test_look_ups_that_hang(hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    """They keep their own threads and no more: who waits too long goes, and a place is free when one has ended."""
    monkeypatch.setattr(resolver, "PATIENCE", 0.05)
    lookup = SystemLookup(threads=2)
    gone = asyncio.create_task(lookup("hang1", True))
    await hanging.reach(1)
    gone.cancel()
    assert await lookup("a", True) == ["a"]
    other = asyncio.create_task(lookup("hang.other", True))
    await hanging.reach(2)
    with pytest.raises(LookupsBusy):
        await lookup("b", True)
    hanging.going.set()
    assert await other == ["hang.other"]
    assert await lookup("c", True) == ["c"]


async def test_names_of_strangers_that_hang(hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names whose DNS never answers take a part of the threads, those below one domain a small part of it."""
    monkeypatch.setattr(resolver, "PATIENCE", 0.2)
    lookup = SystemLookup(threads=16)
    below = [asyncio.create_task(lookup(f"hang{number}.evil.test", False)) for number in range(50)]
    refused = await asyncio.gather(*below[3:], return_exceptions=True)
    assert {type(each) for each in refused} == {LookupsBusy}
    assert sorted(hanging.hung) == [f"hang{number}.evil.test" for number in range(3)]
    assert await lookup("honest.test", False) == ["honest.test"]
    many = [asyncio.create_task(lookup(f"hang{number}.e{number}.test", False)) for number in range(50)]
    await asyncio.gather(*many[9:], return_exceptions=True)
    assert len(hanging.hung) == 12
    assert await lookup("known.test", True) == ["known.test"]
    with pytest.raises(LookupsBusy):
        await lookup("honest.test", False)
    hanging.going.set()
    await asyncio.gather(*below[:3], *many[:9])
    assert await lookup("honest.test", False) == ["honest.test"]
