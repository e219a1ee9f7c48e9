"""Directories that are kept near: shown without Postgres while nothing changed, and never after something did."""

from collections.abc import Iterator

import pytest

from services import Agent, Service, Services, running
from stores import PostgresServer, ValkeyServer
from vestry_registrar.directories import Directories, Directory
from vestry_registrar.directory import page
from vestry_registrar.repository.keys import Published
from vestry_service.live_records import LiveRecord
from vestry_service.postgres import open_pool
from vestry_signatures import generate
from vestry_signatures.errors import ReplayStoreUnavailable


@pytest.fixture
def own(own_postgres: PostgresServer, valkey: ValkeyServer) -> Iterator[Services]:
    """A registrar on a Postgres that the test may pause."""
    with running(own_postgres.url, valkey.url, verifiers=0) as services:
        yield services


async def kids(services: Services, agent: Agent, registrar: Service | None = None) -> list[str]:
    """The kids in an agent's directory, by its path."""
    path = f"/agents/{agent.uid}/.well-known/http-message-signatures-directory"
    answer = await services.call("GET", path, registrar=registrar)
    return [key["kid"] for key in answer.json["keys"]]


async def test_a_directory_that_was_read_is_shown_again_without_postgres(
    own: Services, own_postgres: PostgresServer
) -> None:
    """The same bytes and tag at the agent's URL, the same at the path; one that was not read before is 503."""
    read, unread = await own.agent(), await own.agent()
    before = await own.call("GET", "/", host=read.url.partition("//")[2])
    assert await own.directory(read) == [read.key.public.kid]
    own_postgres.pause()
    try:
        assert await own.directory(read) == [read.key.public.kid]
        assert await kids(own, read) == [read.key.public.kid]
        assert (await own.call("GET", "/", host=read.url.partition("//")[2])).body == before.body
        answer = await own.call("GET", "/", host=unread.url.partition("//")[2])
        assert answer.verdict == (503, "DATABASE_UNAVAILABLE")
    finally:
        own_postgres.resume()


async def test_a_change_by_another_registrar_is_seen_at_once(services: Services) -> None:
    """Both have read the directory before; either shows the new key after the other has rotated to it."""
    with services.another_registrar() as other:
        agent = await services.agent()
        for _ in range(5):
            for registrar in (services.registrar, other):
                assert await kids(services, agent, registrar) == [agent.key.public.kid]
            new = generate()
            assert (await services.rotate(agent, new)).status == 200
            agent = Agent(new, agent.uid)
        assert await kids(services, agent, other) == [agent.key.public.kid]


async def test_a_record_that_expired_is_written_again(database_url: str, valkey: ValkeyServer) -> None:
    """Else the directory of an agent that nobody verifies would be read from Postgres each time."""
    with running(database_url, valkey.url, verifiers=0) as own:
        agent = await own.agent()
        await own.directory(agent)
        record = f"k{{{agent.key.public.kid[:2]}}}{agent.key.public.kid}"
        assert valkey.command("DEL", record) == b":1\r\n"
        assert await own.directory(agent) == [agent.key.public.kid]
        assert valkey.command("EXISTS", record) == b":1\r\n"


async def test_time_alone_changes_what_is_shown(services: Services) -> None:
    """A key that ends is gone from that second on, though the directory was read before."""
    now = [1_800_000_000.0]
    agent = await services.agent()
    services.sql(
        "UPDATE public_jwks SET not_after = %s WHERE kid = %s RETURNING 1",
        int(now[0]) + 10,
        agent.key.public.kid,
    )
    with services.another_registrar(clock=lambda: now[0]) as registrar:
        for passed, shown in ((0, 1), (9, 1), (10, 0), (11, 0)):
            now[0] = 1_800_000_000.0 + passed
            assert len(await kids(services, agent, registrar)) == shown, passed


class _Redis:
    """Records and publisher of which the test says what they answer."""

    def __init__(self, record: LiveRecord) -> None:
        self.record: LiveRecord | None = record
        self.away = False
        self.keeps_up = True
        self.asked = 0

    async def look(self, kid: str) -> LiveRecord | None:
        self.asked += 1
        if self.away:
            raise ReplayStoreUnavailable
        return self.record

    async def answer(self, uid: str, kid: str) -> LiveRecord | None:
        return None


async def test_when_postgres_is_read(services: Services) -> None:
    """Another version, another agent, no record, no answer from Redis, a change that is held up: each time."""
    agent = await services.agent()
    kid, now = agent.key.public.kid, [0.0]
    good = LiveRecord(1, agent.uid, kid, "active", 0, 0, agent.key.public.jwk["x"])
    redis = _Redis(good)
    async with open_pool(services.database_url) as pool:
        directories = Directories(pool, redis, redis, lambda: 0.0, lambda: now[0])

        async def is_kept() -> bool:
            before = await directories.of(agent.uid)
            return before is await directories.of(agent.uid)

        assert await is_kept()
        for record in (good._replace(version=2), good._replace(uid="agent-" + "0" * 24), None):
            redis.record = record
            assert not await is_kept()
        redis.record, redis.keeps_up = good, False
        assert not await is_kept()
        redis.keeps_up, redis.away, redis.asked = True, True, 0
        assert not await is_kept()
        assert not await is_kept()
        assert redis.asked == 1, "nobody waits for it again at once"
        redis.away, now[0] = False, 1.1
        assert await is_kept()


async def test_strangers_do_not_fill_the_memory(services: Services) -> None:
    """Whose directory was read longest ago gives way; nobody is remembered who does not exist."""
    agents = [await services.agent() for _ in range(3)]
    redis = _Redis(LiveRecord(1, "", "", "active", 0, 0, ""))
    async with open_pool(services.database_url) as pool:
        directories = Directories(pool, redis, redis, lambda: 0.0, lambda: 0.0, capacity=2)
        for agent in agents:
            await directories.of(agent.uid)
        assert await directories.of("agent-" + "0" * 24) is None
        assert list(directories._kept) == [agent.uid for agent in agents[1:]]


def test_no_record_stands_for_nothing() -> None:
    """Empty input fails closed."""
    assert not Directory(Published(1, [], None), page({})).stands("agent-1", None)
