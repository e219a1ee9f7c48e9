"""One resolution, every address judged: names, and names of this machine."""

import asyncio
import socket

import pytest

from vestry_service.parsers import network
from vestry_verifier.foreign import resolver
from vestry_verifier.foreign.addresses import Addresses
from vestry_verifier.foreign.resolver import AddressRefused, CheckedResolver, SystemLookup, checked_socket


async def resolved(found: list[str], *allowed: str, host: str = "bot.example") -> list[str]:
    """What may be connected to, where a name has these addresses."""

    async def lookup(_name: str) -> list[str]:
        return found

    checked = CheckedResolver(lookup, Addresses(map(network, allowed)))
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
    assert set(await SystemLookup()("127.0.0.1")) == {"127.0.0.1"}
    with pytest.raises(OSError, match=r"."):
        await SystemLookup()("a" * 70 + ".invalid")


async def test_look_ups_that_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """They keep their own threads and no more: who waits too long goes, and a place is free when one has ended."""
    loop = asyncio.get_running_loop()
    going = asyncio.Event()
    hung = asyncio.Event()

    def hanging(name: str) -> list[str]:
        if name.startswith("hang"):
            loop.call_soon_threadsafe(hung.set)
            asyncio.run_coroutine_threadsafe(going.wait(), loop).result(5)
        return [name]

    monkeypatch.setattr(resolver, "_getaddrinfo", hanging)
    lookup = SystemLookup(threads=2)
    gone = asyncio.create_task(lookup("hang1"))
    await hung.wait()
    gone.cancel()
    assert await lookup("a") == ["a"]
    hung.clear()
    other = asyncio.create_task(lookup("hang2"))
    await hung.wait()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(lookup("b"), 0.05)
    going.set()
    assert await other == ["hang2"]
    assert await lookup("c") == ["c"]
