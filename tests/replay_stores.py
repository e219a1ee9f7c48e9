"""The replay store for tests: fake and real behind one handle, and a wire between them that can be cut."""

import asyncio
import re
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Protocol

import pytest
from redis import Redis

from stores import ValkeyServer
from topologies import Cluster, Watched
from vestry_registrar.live_store import LiveStore, RedisLiveStore
from vestry_registrar.live_store_memory import MemoryLiveStore
from vestry_registrar.marked_server import MarkedServer, ServerFacts
from vestry_service.live_records import LiveRecord, Mark
from vestry_service.replay import Claim, ReplayStore, nonce_digest
from vestry_service.replay_bound import Bound
from vestry_service.replay_memory import MemoryReplayStore, MemoryServer
from vestry_service.replay_redis import RedisReplayStore

CLOCK_SKEW = 60
KEY_RECORD_TTL = 300
ALICE = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"
BOB = "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"

_nonces = count()


class Server(Protocol):
    """A store's server and what can happen to it."""

    def fail(self) -> None: ...
    def heal(self) -> None: ...
    def forget(self) -> None: ...
    def restart(self, *, whole: bool) -> None: ...
    def get(self, key: bytes) -> bytes | None: ...
    def put(self, key: bytes, value: bytes) -> None: ...
    def life(self, key: bytes) -> float: ...


class RealServer:
    """A Valkey that a test may ill-treat."""

    def __init__(self, valkey: ValkeyServer) -> None:
        self.valkey = valkey

    def fail(self) -> None:
        self.valkey.pause()

    def heal(self) -> None:
        self.valkey.resume()

    def forget(self) -> None:
        self.valkey.flush()

    def restart(self, *, whole: bool) -> None:
        if whole:
            self._let_it_write()
        self.valkey.kill()
        if not whole:
            shutil.rmtree(self.valkey.folder)
        self.valkey.start()

    def _let_it_write(self) -> None:
        """While the disk is slow to sync, a server with `everysec` keeps what it acknowledged in memory."""
        with Redis.from_url(self.valkey.url) as client:
            while client.info("persistence")["aof_buffer_length"]:
                time.sleep(0.01)

    def get(self, key: bytes) -> bytes | None:
        with Redis.from_url(self.valkey.url) as client:
            value: bytes | None = client.get(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        with Redis.from_url(self.valkey.url) as client:
            client.set(key, value)

    def life(self, key: bytes) -> float:
        with Redis.from_url(self.valkey.url) as client:
            return int(client.ttl(key))


class RealCluster:
    """A Cluster that a test may ill-treat, all of its nodes at once."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def fail(self) -> None:
        self.cluster.pause()

    def heal(self) -> None:
        self.cluster.resume()

    def forget(self) -> None:
        self.cluster.flush()

    def restart(self, *, whole: bool) -> None:
        raise NotImplementedError("a Cluster takes seconds for that")

    def get(self, key: bytes) -> bytes | None:
        return RealServer(self.cluster.owner(key)).get(key)

    def put(self, key: bytes, value: bytes) -> None:
        RealServer(self.cluster.owner(key)).put(key, value)

    def life(self, key: bytes) -> float:
        return RealServer(self.cluster.owner(key)).life(key)


class Whole:
    """The registrar's side, all of its servers taken for one: the one that holds ALICE speaks for them."""

    def __init__(self, live: LiveStore) -> None:
        self._live = live

    async def write(self, records: Sequence[LiveRecord], *, read_at: float | None = None) -> set[str]:
        return await self._live.write(records, read_at=read_at)

    async def servers(self) -> Sequence[MarkedServer]:
        return await self._live.servers()

    async def server(self) -> ServerFacts:
        [one] = [server for server in await self._live.servers() if server.holds(ALICE)]
        return await one.server()

    async def marks(self) -> Mark | None:
        found = {await self._mark(server) for server in await self._live.servers()}
        mark = found.pop()
        return None if found else mark

    async def _mark(self, server: MarkedServer) -> Mark | None:
        if server.node:
            await server.server()  # a node looks at its marks then
        return await server.marks()

    async def set_marks(self, mark: Mark) -> None:
        """Where the mark names the server that speaks for all, each gets one with its own name."""
        names = {server: (await server.server()).run_id for server in await self._live.servers()}
        for server, name in names.items():
            mine = mark.run_id in names.values()
            await server.set_marks(mark._replace(run_id=name) if mine else mark)

    async def beat(self, pulse: int, run_id: str) -> None:
        for server in await self._live.servers():
            await server.beat(pulse, run_id)

    async def aclose(self) -> None:
        await self._live.aclose()


@dataclass
class Stores:
    """Both sides of one store, and its server."""

    replay: ReplayStore
    live: Whole
    server: Server

    async def restart(self, *, whole: bool) -> None:
        self.server.restart(whole=whole)
        await asyncio.sleep(0.01)  # the loop was held up meanwhile: let it see that the connections are gone

    async def run_id(self) -> str:
        return (await self.live.server()).run_id


def fake_stores(clock: Callable[[], float] = time.time) -> Stores:
    server = MemoryServer(clock)
    live = MemoryLiveStore(server, KEY_RECORD_TTL, clock)
    return Stores(MemoryReplayStore(server, CLOCK_SKEW), Whole(live), server)


@asynccontextmanager
async def real_stores(
    valkey: ValkeyServer | Cluster, url: str | None = None, replicas: int = 0
) -> AsyncIterator[Stores]:
    """Yield both sides of a store at a URL, by default the server's own."""
    replay = RedisReplayStore(url or valkey.url, CLOCK_SKEW, replicas)
    live = RedisLiveStore(url or valkey.url, KEY_RECORD_TTL, time.time, replicas)
    server: Server = RealCluster(valkey) if isinstance(valkey, Cluster) else RealServer(valkey)
    try:
        yield Stores(replay, Whole(live), server)
    finally:
        await replay.aclose()
        await live.aclose()


def now() -> int:
    return int(time.time())


def claim(
    kid: str = ALICE, nonce: str | None = None, created: int | None = None, bound: Bound | None = None
) -> Claim:
    """Claim a nonce, a new one unless told which, of a signature that lives for five minutes."""
    created = now() if created is None else created
    return Claim(kid, nonce_digest(kid, nonce or f"nonce-{next(_nonces)}"), created + 300, created, bound)


def record(version: int = 1, kid: str = ALICE, state: str = "active") -> LiveRecord:
    return LiveRecord(version, "agent-4b94c0ffee4b94c0ffee4b94", kid, state, 0, 0, kid)


class Wire:
    """A wire to a Valkey, with an ear on it: counts the scripts called, and can lose the replies."""

    def __init__(self) -> None:
        self.url = ""
        self.calls = 0
        self.lose_replies = False


@asynccontextmanager
async def wire_to(valkey: ValkeyServer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """Put a loopback TCP port, with TLS where asked for, in front of a Valkey."""
    wire = Wire()
    path = valkey.url.removeprefix("unix://")

    async def forth(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while sent := await reader.read(65536):
            wire.calls += len(re.findall(rb"\r\nEVAL(?:SHA)?\r\n", sent))
            writer.write(sent)

    async def back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (reply := await reader.read(65536)) and not wire.lose_replies:
            writer.write(reply)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(path)
        ways = [
            asyncio.create_task(forth(reader, there_writer)),
            asyncio.create_task(back(there_reader, writer)),
        ]
        carried.extend(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, there_writer):
            end.close()

    carried: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(carry, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    wire.url = f"{'rediss' if tls else 'redis'}://127.0.0.1:{port}"
    async with server:
        yield wire
        server.close()
    await asyncio.gather(*carried, return_exceptions=True)


async def stores_of(kind: str, request: pytest.FixtureRequest, own: str = "") -> AsyncIterator[Stores]:
    """Both sides of an empty store of some kind; `own_`: one whose servers the test may ill-treat."""
    if kind == "fake":
        yield fake_stores()
    elif kind == "sentinel":
        fleet: Watched = request.getfixturevalue(f"{own}watched")
        async with real_stores(fleet.primary, fleet.url) as stores:
            yield stores
    else:
        async with real_stores(
            request.getfixturevalue("cluster" if kind == "cluster" else f"{own}valkey")
        ) as stores:
            yield stores
