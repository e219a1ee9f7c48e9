"""Stores that go away and come back: nothing passes meanwhile, nothing is half done, and all heals by itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from bare_client import Answer
from services import BASE, Agent, Service, Services, jwk_body, services_on, until
from signer import both
from stores import PostgresServer, ValkeyServer
from vestry_signatures import generate

STORE_AWAY = (503, "REPLAY_STORE_UNAVAILABLE")
DATABASE_AWAY = (503, "DATABASE_UNAVAILABLE")
REVOKED = (401, "REVOKED_KEY")
VERIFIED = (200, "")


async def timed(ask: Callable[[], Awaitable[Answer]]) -> tuple[Answer, float]:
    """Ask three times; return the last answer and the shortest time in seconds, for this machine may be busy."""
    times: list[float] = []
    for _ in range(3):
        started = time.monotonic()
        answer = await ask()
        times.append(time.monotonic() - started)
        if times[-1] < 0.4:
            break
    return answer, min(times)


def stop(valkey: ValkeyServer) -> Callable[[], None]:
    valkey.stop()
    return valkey.start


def pause(valkey: ValkeyServer) -> Callable[[], None]:
    valkey.pause()
    return valkey.resume


def is_verified(
    services: Services, agent: Agent, verifier: Service | None = None
) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return (await services.verify(agent.sign(), verifier=verifier)).status == 200

    return ask


def is_ready(*some: Service) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return all([(await service.ready()).status == 200 for service in some])

    return ask


@pytest.mark.parametrize("accident", [stop, pause])
async def test_redis_away(
    doomed: Services, own_valkey: ValkeyServer, accident: Callable[[ValkeyServer], Callable[[], None]]
) -> None:
    """Without Redis every signed request is 503 within 400 ms and changes nothing; then all goes on by itself."""
    doomed.add_registrar()
    doomed.add_verifier()
    agent, new = await doomed.agent(), generate()
    before = doomed.stored()
    back = accident(own_valkey)
    try:
        for ask in (
            lambda: doomed.register(generate()),
            lambda: doomed.register(generate(), "/tool/register"),
            lambda: doomed.whoami(agent),
            lambda: doomed.rotate(agent, new),
            lambda: doomed.verify(agent.sign()),
            lambda: doomed.verify(Agent(generate(), agent.uid).sign()),
        ):
            answer, seconds = await timed(ask)
            assert (answer.verdict, answer.error["outcome"]) == (STORE_AWAY, "unverified")
            assert answer.headers["Retry-After"] == "1"
            assert seconds < 0.4
        assert await doomed.directory(agent) == [agent.key.public.kid], "what anybody may read needs no Redis"
        for service in (doomed.registrar, doomed.verifier):
            assert (await service.ready()).status == 503
            assert await service.failing() == ["redis"]
            assert (await service.ready()).json["checks"]["redis"]["reason"]
        assert doomed.stored() == before
    finally:
        back()
    await until(is_verified(doomed, agent))
    await until(is_ready(doomed.registrar, doomed.verifier))
    assert (await doomed.rotate(agent, new)).status == 200


async def test_redis_hanging_under_several_signatures(doomed: Services, own_valkey: ValkeyServer) -> None:
    """A request with four signatures of agents that are not at hand waits once for a store that hangs."""
    doomed.add_registrar()
    doomed.add_verifier()
    agents = [await doomed.agent() for _ in range(4)]
    named = ", ".join(f'sig{i}="{agent.url}"' for i, agent in enumerate(agents))
    signatures = [agent.sign(named=named, label=f"sig{i}") for i, agent in enumerate(agents)]
    own_valkey.pause()
    try:
        headers = {**both(*signatures), "Signature-Agent": named}
        answer, seconds = await timed(lambda: doomed.verify(headers))
    finally:
        own_valkey.resume()
    assert answer.verdict == STORE_AWAY
    assert seconds < 0.4


@contextmanager
def on_own_postgres(own_postgres: PostgresServer, own_valkey: ValkeyServer) -> Iterator[Services]:
    with services_on(own_postgres.create_database(), own_valkey.url) as services:
        services.add_registrar()
        services.add_verifier()
        yield services


async def test_postgres_away(own_postgres: PostgresServer, own_valkey: ValkeyServer) -> None:
    """Without Postgres the registrar is 503 with Retry-After, says which check fails, and recovers by itself."""
    with on_own_postgres(own_postgres, own_valkey) as services:
        agent, new = await services.agent(), generate()
        stranger = generate()
        own_postgres.stop()
        for asked in (
            services.register(stranger),
            services.register(generate(), "/tool/register"),
            services.whoami(agent),
            services.rotate(agent, new),
            services.call("GET", "/", host=f"{agent.uid}.agents.example"),
            services.call("GET", f"/agents/{agent.uid}/.well-known/http-message-signatures-directory"),
        ):
            answer = await asked
            assert answer.verdict == DATABASE_AWAY
            assert answer.headers["Retry-After"]
            assert b"postgres" not in answer.body.lower()
        assert (await services.registrar.ready()).status == 503
        assert await services.registrar.failing() == ["postgres"]
        assert (await services.call("GET", "/livez")).status == 200

        verified = await services.verify(agent.sign())
        assert verified.json["uid"] == agent.uid, "a verifier needs no database"
        assert await services.verifier.failing() == []
        unknown = await services.verify(Agent(stranger, agent.uid).sign())
        assert unknown.verdict == (503, "DIRECTORY_UNREACHABLE")

        own_postgres.start()
        await until(is_ready(services.registrar))
        assert (await services.rotate(agent, new)).status == 200
        assert (await services.register(stranger)).json["is_new"] is True
        assert (await services.verify(agent.sign())).verdict == REVOKED


async def test_postgres_killed_during_rotations(
    own_postgres: PostgresServer, own_valkey: ValkeyServer
) -> None:
    """A crash of Postgres while rotations are under way leaves each agent one key, and the one it was told."""
    with on_own_postgres(own_postgres, own_valkey) as services:
        for delay in (0.004, 0.008, 0.012):
            agents = [await services.agent() for _ in range(12)]
            news = [generate() for _ in agents]
            pairs = list(zip(agents, news, strict=True))
            rotations = [asyncio.create_task(services.rotate(agent, new)) for agent, new in pairs]
            await asyncio.sleep(delay)
            own_postgres.kill()
            answers = await asyncio.gather(*rotations)
            assert {answer.verdict for answer in answers} <= {VERIFIED, DATABASE_AWAY}
            own_postgres.start()
            await until(is_ready(services.registrar))
            for (agent, new), answer in zip(pairs, answers, strict=True):
                kids = await services.directory(agent)
                assert kids == [new.public.kid] if answer.status == 200 else len(kids) == 1


async def test_verifier_without_a_registrar(doomed: Services) -> None:
    """Live records are enough: agents that were seen lately are verified, also by a verifier that is new."""
    doomed.add_registrar()
    agent = await doomed.agent()
    doomed.drop(doomed.registrar)
    cold = doomed.add_verifier(REGISTRAR_URL="http://127.0.0.1:9")
    assert (await doomed.verify(agent.sign())).json["uid"] == agent.uid
    assert (await cold.ready()).status == 200
    assert (await doomed.verify(Agent(generate(), agent.uid).sign())).verdict == (
        503,
        "DIRECTORY_UNREACHABLE",
    )


async def test_live_record_expired(doomed: Services) -> None:
    """A record that has ended is asked for and written again: for a key in use, and for one that is not."""
    doomed.add_registrar(KEY_RECORD_TTL="1")
    warm = doomed.add_verifier(KEY_RECORD_TTL="1")
    agent, revoked = await doomed.agent(), await doomed.agent()
    for each in (agent, revoked):
        assert (await doomed.verify(each.sign(), verifier=warm)).status == 200
    assert (await doomed.rotate(revoked, generate())).status == 200
    await asyncio.sleep(2.1)
    cold = doomed.add_verifier(KEY_RECORD_TTL="1")
    for verifier in (warm, cold):
        assert (await doomed.verify(agent.sign(), verifier=verifier)).status == 200
        assert (await doomed.verify(revoked.sign(), verifier=verifier)).verdict == REVOKED


async def verdict_after_silence(services: Services, agent: Agent) -> tuple[int, str]:
    """Sign anew for as long as the answer is that it cannot be told; return the first other verdict."""
    found: list[tuple[int, str]] = []

    async def told() -> bool:
        found.append((await services.verify(agent.sign())).verdict)
        return found[-1][0] != 503

    await until(told, patience=15)
    return found[-1]


async def test_redis_flushed(doomed: Services, own_valkey: ValkeyServer) -> None:
    """First nothing can be told; then what is signed anew verifies, what was signed before does not, and the
    old key stays dead.
    """
    doomed.add_registrar(CLOCK_SKEW="1")
    doomed.add_verifier(CLOCK_SKEW="1")
    agent, new = await doomed.agent(), generate()
    assert (await doomed.rotate(agent, new)).status == 200
    current = Agent(new, agent.uid)
    spent = current.sign()
    assert (await doomed.verify(spent)).status == 200
    own_valkey.flush()
    assert (await doomed.verify(current.sign())).verdict == STORE_AWAY
    assert (await doomed.verify(spent)).verdict == STORE_AWAY
    assert (await doomed.whoami(current)).verdict == STORE_AWAY
    assert (await doomed.register(generate())).verdict == STORE_AWAY
    assert (await doomed.verify(agent.sign())).verdict in {STORE_AWAY, REVOKED}
    assert await verdict_after_silence(doomed, current) == VERIFIED
    assert (await doomed.verify(agent.sign())).verdict == REVOKED
    assert (await doomed.verify(spent)).status in {401, 503}, "its nonce is gone, and still it does not pass"
    assert (await doomed.whoami(current)).status == 200
    assert (await doomed.whoami(agent)).verdict == REVOKED


async def test_redis_killed_and_restarted_with_its_append_only_file(
    doomed: Services, own_valkey: ValkeyServer
) -> None:
    """A server that comes back with its file whole keeps its memory: nobody waits for the skew, no replay passes."""
    doomed.add_registrar()
    doomed.add_verifier()
    agent = await doomed.agent()
    spent, waiting = agent.sign(), agent.sign()
    assert (await doomed.verify(spent)).status == 200
    await asyncio.sleep(1.2)  # a pulse of the registrar, so that the file is known to be whole up to here
    own_valkey.kill()
    assert (await doomed.verify(agent.sign())).verdict == STORE_AWAY
    own_valkey.start()
    assert await verdict_after_silence(doomed, agent) == VERIFIED
    assert (await doomed.verify(spent)).verdict == (401, "REPLAYED_NONCE")
    assert (await doomed.verify(waiting)).status == 200, (
        "what was signed before the restart can still be judged"
    )


@contextmanager
def held_up(services: Services, agent: Agent) -> Iterator[psycopg.Connection]:
    """Hold the agent's row, so that a rotation has spent its nonce and stands still before it changes anything."""
    with psycopg.connect(services.database_url) as holder:
        holder.execute("SELECT 1 FROM agents WHERE uid = %s FOR UPDATE", (agent.uid.removeprefix("agent-"),))
        yield holder


def is_held_up(services: Services, waiting: int = 1) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        [(count,)] = services.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(count >= waiting)

    return look


@pytest.mark.parametrize("accident", [stop, pause])
async def test_redis_stopped_during_a_rotation(
    doomed: Services, own_valkey: ValkeyServer, accident: Callable[[ValkeyServer], Callable[[], None]]
) -> None:
    """The change stands and the answer says that it is not published; the old key never verifies after that."""
    doomed.add_registrar()
    doomed.add_verifier()
    agent, new = await doomed.agent(), generate()
    assert (await doomed.verify(agent.sign())).status == 200
    with held_up(doomed, agent) as holder:
        rotation = asyncio.create_task(doomed.rotate(agent, new))
        await until(is_held_up(doomed))
        back = accident(own_valkey)
        try:
            holder.rollback()
            answer = await rotation
        except BaseException:
            back()
            raise
    assert answer.json == {
        "uid": agent.uid,
        "kid": new.public.kid,
        "public_jwk": new.public.jwk,
        "published": False,
    }
    assert await doomed.directory(agent) == [new.public.kid]
    assert doomed.sql("SELECT count(*) FROM outbox") == [(1,)]
    assert (await doomed.verify(agent.sign())).verdict == STORE_AWAY
    back()
    assert await verdict_after_silence(doomed, agent) == REVOKED
    assert await verdict_after_silence(doomed, Agent(new, agent.uid)) == VERIFIED

    async def outbox_is_empty() -> bool:
        return doomed.sql("SELECT count(*) FROM outbox") == [(0,)]

    await until(outbox_is_empty)


async def test_two_registrars_at_once(doomed: Services) -> None:
    """Two registrars on one database and one Redis: what one does the other knows, and rotations do not cross."""
    first, second = doomed.add_registrar(), doomed.add_registrar()
    doomed.add_verifier()
    agent = await doomed.agent()
    headers = agent.sign("GET", f"{BASE}/whoami")
    assert (await doomed.call("GET", "/whoami", headers, registrar=first)).status == 200
    answer = await doomed.call("GET", "/whoami", headers, registrar=second)
    assert answer.verdict == (401, "REPLAYED_NONCE")

    current = agent
    for registrar in (first, second) * 5:
        new = generate()
        signed = current.sign("POST", f"{BASE}/rotate")
        answer = await doomed.call("POST", "/rotate", signed, jwk_body(new.public.jwk), registrar=registrar)
        assert answer.status == 200
        assert (await doomed.verify(current.sign())).verdict == REVOKED
        current = Agent(new, agent.uid)
        assert (await doomed.verify(current.sign())).status == 200

    keys = [generate() for _ in range(10)]
    signed_bodies = [(current.sign("POST", f"{BASE}/rotate"), jwk_body(key.public.jwk)) for key in keys]
    answers = await asyncio.gather(
        *(
            doomed.call("POST", "/rotate", signed, body, registrar=(first, second)[i % 2])
            for i, (signed, body) in enumerate(signed_bodies)
        )
    )
    assert sorted(answer.verdict for answer in answers) == [VERIFIED] + [REVOKED] * 9
    assert len(await doomed.directory(agent)) == 1
    key = generate()
    registered = await asyncio.gather(*(doomed.register(key) for _ in range(4)))
    assert len({answer.json["uid"] for answer in registered}) == 1


async def test_registrar_started_while_redis_is_away(doomed: Services, own_valkey: ValkeyServer) -> None:
    """A registrar starts without Redis, says that it is not ready, and works once Redis is there."""
    own_valkey.stop()
    registrar = doomed.add_registrar()
    assert await registrar.failing() == ["redis"]
    assert (await doomed.register(generate())).verdict == STORE_AWAY
    own_valkey.start()
    await until(is_ready(registrar))

    async def registers() -> bool:
        return (await doomed.register(generate())).status == 200

    await until(registers)


async def test_fifty_rotations_each_used_at_once(services: Services) -> None:
    """At the first request after a rotation's answer the new key verifies and the old one is dead, warm and cold."""
    warm, cold = services.verifiers
    current = await services.agent()
    for _ in range(50):
        old, current = current, Agent(generate(), current.uid)
        assert (await services.verify(old.sign(), verifier=warm)).verdict == VERIFIED
        assert (await services.rotate(old, current.key)).status == 200
        verdicts = await asyncio.gather(
            services.verify(current.sign(), verifier=warm),
            services.verify(old.sign(), verifier=warm),
            services.verify(old.sign(), verifier=cold),
        )
        assert [answer.verdict for answer in verdicts] == [VERIFIED, REVOKED, REVOKED]
    assert (await services.verify(current.sign(), verifier=cold)).verdict == VERIFIED
