"""Resolve once, check every address, connect to nothing else.

A check before the connection is worth nothing if the name is resolved again for the connection: in between its owner
may let it point elsewhere (DNS rebinding). So there is one resolution for a fetch, and what it gave is what is
connected to:

1. A name is looked up once. If any of its addresses may not be reached, the name is refused as a whole: who mixes
   inner addresses with outer ones is up to something.
2. Each socket is made for one of these addresses, and the address is looked at again at that place, the last one
   before `connect`. A host that is an IP address is never looked up, and is judged there.

`*.localhost` is this machine (RFC 6761 section 6.3), also where the system's resolver does not know it; whether this
machine may be reached is for 1 and 2 to say.

Of many addresses a few are tried: a name may have as many as its owner likes, and each would be knocked at.

The system's resolver blocks and cannot be stopped, so it runs in threads of its own. Names whose servers never
answer keep those busy for many seconds, and nothing else: strangers can take a part of them, and with the names of
one domain a small part (`places.py`). Who waits too long for a thread goes, and nothing is held against the host.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from vestry_verifier.foreign.addresses import Addresses
from vestry_verifier.foreign.places import Places
from vestry_verifier.foreign.url import is_loopback_host

Lookup = Callable[[str, bool], Awaitable[list[str]]]
"""From a DNS name, and whether it is that of a known directory, to its addresses, IPv4 and IPv6. Raises OSError."""
THREADS: Final = 64
"""Names that are looked up at once; one that hangs keeps its thread until the system gives it up."""
OF_A_NAME: Final = 4
PATIENCE: Final = 1.5
"""Seconds that a thread is waited for."""
MOST_OF_A_FAMILY: Final = 4
"""Addresses that are tried, of IPv4 and of IPv6 each."""


class AddressRefused(OSError):
    """A host is, or resolves to, an address that may not be connected to."""


class LookupsBusy(OSError):
    """Every thread is taken, by other names."""


class SystemLookup:
    """Asks the system's resolver, as every other program here does."""

    def __init__(self, threads: int = THREADS) -> None:
        self._places = Places(OF_A_NAME, threads)

    async def __call__(self, name: str, known: bool) -> list[str]:
        """Look a name up. Raises OSError where it has no address, LookupsBusy where nobody looks now."""
        leave = await self._place(name, known)
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[str]] = loop.create_future()
        # A daemon: a look-up that hangs must not keep the service from ending, as a thread of a pool would.
        work = partial(self._look_up, name, loop, found, leave)
        Thread(target=work, name="lookup", daemon=True).start()
        return await found

    async def _place(self, name: str, known: bool) -> Callable[[], None]:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._places.take(name, known)
        except TimeoutError as error:
            raise LookupsBusy("too many names are being looked up") from error

    def _look_up(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop,
        found: asyncio.Future[list[str]],
        leave: Callable[[], None],
    ) -> None:
        result: list[str] | OSError
        try:
            result = _getaddrinfo(name)
        except (OSError, UnicodeError) as error:
            result = error if isinstance(error, OSError) else OSError(str(error))
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._tell, found, result, leave)

    def _tell(
        self, found: asyncio.Future[list[str]], result: list[str] | OSError, leave: Callable[[], None]
    ) -> None:
        leave()  # only now: whoever waited may have gone away, and its thread went on
        if found.done():
            return
        if isinstance(result, OSError):
            found.set_exception(result)
        else:
            found.set_result(result)


def _getaddrinfo(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class CheckedResolver(AbstractResolver):
    """aiohttp's view of it (1)."""

    def __init__(self, lookup: Lookup, addresses: Addresses, known: bool) -> None:
        self._lookup = lookup
        self._addresses = addresses
        self._known = known

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return addresses of a name. Raises AddressRefused where any of them may not be reached, OSError."""
        found = ["127.0.0.1", "::1"] if is_loopback_host(host) else await self._lookup(host, self._known)
        allowed = [address for address in found if self._addresses.may_be_reached(address)]
        if is_loopback_host(host):
            found = allowed or found  # one of the two families may be named alone
        if not found:
            raise OSError("the name has no address")
        if len(allowed) < len(found):
            raise AddressRefused("the name has an address that may not be reached")
        return [_result(host, port, address) for address in _few(found)]

    async def close(self) -> None:
        """Do nothing: the lookup belongs to whoever made it."""


def _few(found: list[str]) -> list[str]:
    families = [[each for each in found if (":" in each) == is_6] for is_6 in (False, True)]
    kept = {address for family in families for address in family[:MOST_OF_A_FAMILY]}
    return [address for address in found if address in kept]


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
    )


def checked_socket(addresses: Addresses) -> Callable[[Any], socket.socket]:
    """Return aiohttp's `socket_factory` (2): a socket only for an address that may be reached."""

    def make(info: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not addresses.may_be_reached(str(address[0])):
            raise AddressRefused("the address may not be reached")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    return make
