"""Hosts of foreign agents, over TLS, that publish directories or do to whoever fetches one what an attacker would."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bare_client import Answer
from certificates import authority
from name_server import NameServer, name_server
from services import DIRECTORY, TOOL, Agent, Service, Services
from vestry_verifier.foreign.jwks import MEDIA_TYPE
from vestry_verifier.foreign.open import Outside
from vestry_verifier.foreign.store import RedisDocuments

Reply = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What is written to a caller, or who writes it."""
HOSTS = (
    "bot.example",
    "other.example",
    "shared.example",
    "*.bots.example",
    "bot.example.evil.test",
    "evil.test",
)


def reply(body: bytes, *headers: str, status: str = "200 OK", kind: str = MEDIA_TYPE) -> bytes:
    """Write an answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def directory(*agents: Agent, headers: Iterable[str] = (), **members: Any) -> bytes:
    """Write a directory with these agents' keys."""
    keys = [{**agent.key.public.jwk, **members} for agent in agents]
    return reply(json.dumps({"keys": keys}).encode(), *headers)


@dataclass
class Host:
    """One listening host.

    Attributes:
        port: where it listens.
        replies: what it says, by request target; `*` for all others.
        heads: the head of every request that came.
        connections: how many came, whatever was said on them.
        open_now, most_at_once: requests being answered.
        answering: cleared, it keeps every caller waiting until it is set again.
    """

    port: int = 0
    replies: dict[str, Reply] = field(default_factory=dict)
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_at_once: int = 0
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def targets(self) -> list[str]:
        """The request targets that were asked for, in order."""
        return [head.split(" ")[1] for head in self.heads]

    def publish(
        self, *agents: Agent, at: str = DIRECTORY, headers: Iterable[str] = (), **members: Any
    ) -> None:
        """Serve a directory with these agents' keys."""
        self.replies[at] = directory(*agents, headers=headers, **members)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            self.open_now += 1
            self.most_at_once = max(self.most_at_once, self.open_now)
            try:
                await self.answering.wait()
                await self._answer(head.split(" ")[1], writer)
            finally:
                self.open_now -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, target: str, writer: asyncio.StreamWriter) -> None:
        said = self.replies.get(target) or self.replies.get("*") or reply(b"", status="404 Not Found")
        if callable(said):
            await said(writer)
        else:
            writer.write(said)
        await writer.drain()


@asynccontextmanager
async def listening_host(
    address: str = "127.0.0.1", port: int = 0, *, tls: bool = True
) -> AsyncIterator[Host]:
    """Listen on loopback, with a certificate for the names in `HOSTS`. Raises OSError where that cannot be."""
    host = Host()
    host.answering.set()
    context = authority().serving(*HOSTS) if tls else None
    server = await asyncio.start_server(host.serve, address, port, ssl=context)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()


@dataclass
class World:
    """A verifier, a name server, and one host that is called by many names.

    Attributes:
        host: listens on 127.0.0.1.
        names: the name server, which the verifier asks.
        verifier: believes `bot.example` and `shared.example` at the host's port, and may connect to 127.0.0.1.
    """

    services: Services
    host: Host
    names: NameServer
    verifier: Service

    def url(self, name: str = "bot.example", path: str = "") -> str:
        return f"https://{name}:{self.host.port}{path}"

    def agent(self, name: str = "bot.example", path: str = "") -> Agent:
        """A new foreign agent of that name."""
        return Foreign(uid=f"{name}:{self.host.port}{path}")

    async def verify(self, headers: dict[str, str], url: str = TOOL) -> Answer:
        return await self.services.verify(headers, url=url, verifier=self.verifier)

    @staticmethod
    def outside_of(names: NameServer) -> Outside:
        """How this world is reached, for one more verifier."""
        return Outside(names.lookup, authority().trusting)

    def fetches(self, result: str) -> float:
        """How many fetches ended so."""
        return self.verifier.count("vestry_directory_fetches_total", result=result)


class Foreign(Agent):
    """An agent whose uid is a host."""

    @property
    def url(self) -> str:
        return f"https://{self.uid}"


async def make_stale(services: Services, agent: Agent) -> None:
    """Let the time of a directory be over, as a verifier sees it a second later."""
    documents = RedisDocuments(services.redis_url)
    try:
        url = f"{agent.url}{DIRECTORY}"
        known = await documents.read(url)
        old = known._replace(started=round(known.started + 0.001, 6), fresh_until=time.time() - 1)
        assert await documents.write(url, "", old, time.time()) == old
    finally:
        await documents.aclose()
    await asyncio.sleep(1.1)


@asynccontextmanager
async def foreign_world(services: Services, clock: Any = None, **environ: str) -> AsyncIterator[World]:
    """Yield a world for one test; further settings are the verifier's."""
    async with listening_host() as host, name_server() as names:
        for name in ("bot.example", "other.example", "shared.example", "evil.test"):
            names.point(name, ["127.0.0.1"])
        settings = {
            "TOOL_FQDN_REGEX": rf"(bot|other|shared)\.example:{host.port}",
            "FETCH_ALLOW_PRIVATE": "127.0.0.1",
            **environ,
        }
        outside = World.outside_of(names)
        clocks = {} if clock is None else {"clock": clock}
        with services.another_verifier(outside=outside, **clocks, **settings) as verifier:
            yield World(services, host, names, verifier)
