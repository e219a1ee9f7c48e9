"""What is promised of Redis behind Sentinels, beyond the common contract."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import pytest

from replay_questions import fresh, refusal
from replay_stores import claim, now, real_stores
from topologies import Watched


class Naming(asyncio.Protocol):
    """A Sentinel that names one port, or says nothing at all."""

    def __init__(self, port: int | None) -> None:
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, _data: bytes) -> None:
        if self._port is not None:
            port = str(self._port).encode()
            self._transport.write(b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%b\r\n" % (len(port), port))


@asynccontextmanager
async def sentinels(*named: int | None) -> AsyncIterator[str]:
    """Sentinels that name these ports of the loopback; None: one that says nothing at all."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(partial(Naming, port), "127.0.0.1", 0) for port in named]
    hosts = ",".join(f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers)
    yield f"redis+sentinel://{hosts}/vestry"
    for server in servers:
        server.close()


async def test_what_one_sentinel_says_alone_counts_for_nothing(watched: Watched) -> None:
    """One that has not heard of a promotion, or is cut off with the old primary, is outvoted."""
    right, wrong = watched.primary.port, 1
    for named in ((wrong, right, right), (right, wrong, right), (None, right, right)):
        async with sentinels(*named) as url, real_stores(watched.primary, url) as stores:
            assert await fresh(stores, claim())


@pytest.mark.parametrize("others", [(1, 2), (None, None), (1, None)])
async def test_no_majority_no_primary(watched: Watched, others: tuple[int | None, int | None]) -> None:
    """Where more than half are silent, or they differ, nobody is asked, and it takes 250 ms at most."""
    async with sentinels(watched.primary.port, *others) as url:
        begun = time.monotonic()
        await refusal(url)
        assert time.monotonic() - begun < 0.4


async def test_a_primary_nobody_knows(watched: Watched) -> None:
    """A wrong name is told to the operator."""
    assert "no primary named other" in await refusal(watched.url.replace("/vestry", "/other"))


async def test_sentinels_have_a_password_of_their_own(own_watched: Watched) -> None:
    """`sentinel_password` is said to Sentinels, the URL's own to the servers."""
    own_watched.primary.ask("ACL", "SETUSER", "app", "on", ">ours", "~*", "+@all")
    sentinel = own_watched.sentinels[0]
    sentinel.ask("ACL", "SETUSER", "asker", "on", ">theirs", "-@all", "+sentinel|get-master-addr-by-name")
    sentinel.ask("ACL", "SETUSER", "default", "off")
    url = own_watched.url.replace("://", "://app:ours@")
    asker = "sentinel_user=asker&sentinel_password"
    async with real_stores(own_watched.primary, f"{url}?{asker}=theirs") as stores:
        assert (await stores.replay.spend([claim()], now()))[0].fresh
    assert "WRONGPASS" in await refusal(f"{url}?{asker}=ours")
    assert "NOAUTH" in await refusal(url)
