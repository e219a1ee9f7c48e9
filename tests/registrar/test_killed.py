"""`kill -9` of a registrar between the commit of a rotation and its publication.

How the moment is caught without luck: the test holds the agent's row, so the rotation has spent its nonce and
waits; then the test asks for the whole table and waits behind the rotation. Once the row is let go, the rotation
commits, the table is the test's, and the registrar stands still where it rereads the agent in order to publish it.
"""

import asyncio
import threading
from pathlib import Path

import psycopg
from redis import Redis

import bare_client
import signer
from registrar_process import RegistrarProcess, registrar_process
from services import BASE, Agent, Service, Services, jwk_body, until
from stores import ValkeyServer
from vestry_service.live_records import LiveRecord, record_key
from vestry_signatures import PrivateKey, generate

REVOKED = (401, "REVOKED_KEY")
HOLD_AGENT = "SELECT 1 FROM agents WHERE uid = %s FOR UPDATE"
HOLD_TABLE = "LOCK TABLE agents IN ACCESS EXCLUSIVE MODE"


async def rotate_and_kill(services: Services, registrar: RegistrarProcess, agent: Agent, new: Agent) -> None:
    """Begin a rotation at a registrar, and kill it after the commit and before the publication."""
    uid = agent.uid.removeprefix("agent-")

    async def lock_waiters(number: int) -> None:
        async def there_are() -> bool:
            rows = services.sql(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            return len(rows) == number

        await until(there_are)

    with (
        psycopg.connect(services.database_url) as row_holder,
        psycopg.connect(services.database_url) as table_holder,
    ):
        row_holder.execute(HOLD_AGENT, (uid,))
        signed = agent.sign("POST", f"{BASE}/rotate")
        request = asyncio.create_task(
            bare_client.send(
                registrar.port, "POST", "/rotate", signed, jwk_body(new.key.public.jwk), "agents.example"
            )
        )
        await lock_waiters(1)
        takes_table = threading.Thread(target=table_holder.execute, args=(HOLD_TABLE,))
        takes_table.start()
        await lock_waiters(2)
        row_holder.rollback()
        await asyncio.to_thread(takes_table.join)
        await lock_waiters(1)  # the registrar, rereading
        registrar.kill()
        request.cancel()
        table_holder.rollback()


def on_record(services: Services, agent: Agent) -> str:
    """What the live record says of an agent's key."""
    kid = agent.key.public.kid
    with Redis.from_url(services.redis_url) as client:
        line = client.get(record_key(kid))
    assert isinstance(line, bytes)
    return LiveRecord.decode(kid, line).state


async def test_registrar_killed_between_commit_and_publication(
    doomed: Services, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    """The change stands, and the next registrar publishes it before it answers anybody: the old key is dead."""
    with registrar_process(doomed.database_url, doomed.redis_url, tmp_path / "registrar.log") as registrar:
        await registrar.start()
        verifier = _verifier(doomed, registrar)
        agent = await _register(registrar)
        new = Agent(generate(), agent.uid)
        assert (await doomed.verify(agent.sign())).status == 200
        await rotate_and_kill(doomed, registrar, agent, new)
        assert doomed.sql("SELECT version FROM agents") == [(2,)], "it was committed"
        assert doomed.sql("SELECT count(*) FROM outbox") == [(1,)], "and was not published"
        assert on_record(doomed, agent) == "active"

        await registrar.start()
        assert (await doomed.verify(agent.sign(), verifier=verifier)).verdict == REVOKED
        assert (await doomed.verify(new.sign())).json["uid"] == agent.uid
        assert doomed.sql("SELECT count(*) FROM outbox") == [(0,)]
        assert on_record(doomed, agent) == "revoked"


async def test_registrar_and_redis_killed_between_commit_and_publication(
    doomed: Services, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    """With Redis dead as well nothing verifies until a registrar is back, and then never the old key."""
    with registrar_process(doomed.database_url, doomed.redis_url, tmp_path / "registrar.log") as registrar:
        await registrar.start()
        _verifier(doomed, registrar)
        agent = await _register(registrar)
        new = Agent(generate(), agent.uid)
        assert (await doomed.verify(agent.sign())).status == 200
        await rotate_and_kill(doomed, registrar, agent, new)
        own_valkey.kill()
        own_valkey.start()
        assert on_record(doomed, agent) == "active", "Redis came back with the old record"
        for each in (agent, new):
            assert (await doomed.verify(each.sign())).status == 503

        await registrar.start()
        verdicts = []

        async def told() -> bool:
            verdicts.append((await doomed.verify(agent.sign())).verdict)
            return verdicts[-1][0] != 503

        await until(told)
        assert verdicts[-1] == REVOKED


async def test_registrar_killed_while_many_register(doomed: Services, tmp_path: Path) -> None:
    """Whoever was told of a registration has it after a kill, and whoever was not can ask again."""
    with registrar_process(doomed.database_url, doomed.redis_url, tmp_path / "registrar.log") as registrar:
        await registrar.start()
        _verifier(doomed, registrar)
        keys = [generate() for _ in range(24)]
        asked = [asyncio.create_task(_register(registrar, key)) for key in keys]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        registrar.kill()
        told = [
            each for each in await asyncio.gather(*asked, return_exceptions=True) if isinstance(each, Agent)
        ]
        assert told
        await registrar.start()
        for agent in told:
            assert (await doomed.verify(agent.sign())).json["uid"] == agent.uid
            assert (await _register(registrar, agent.key)).uid == agent.uid
        for key in keys:
            assert (await _register(registrar, key)).uid
        assert doomed.sql("SELECT count(*) FROM agents") == [(len(keys),)]
        assert doomed.sql("SELECT count(*) FROM public_jwks") == [(len(keys),)]


def _verifier(services: Services, registrar: RegistrarProcess) -> Service:
    return services.add_verifier(REGISTRAR_URL=f"http://127.0.0.1:{registrar.internal_port}")


async def _register(registrar: RegistrarProcess, key: PrivateKey | None = None) -> Agent:
    agent = Agent(key or generate())
    signed = signer.sign(agent.key, "POST", f"{BASE}/register", tag="null")
    body = jwk_body(agent.key.public.jwk)
    answer = await bare_client.send(registrar.port, "POST", "/register", signed, body, "agents.example")
    agent.uid = answer.json["uid"]
    return agent
