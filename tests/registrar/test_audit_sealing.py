"""Every committed event gets exactly one link, whoever writes, in whatever order, and whoever dies meanwhile."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from audit_trail import event, numbers, sealer, write
from records import SOMEBODY, Key, Seen, by, coming, migrated, until
from stores import PostgresServer
from vestry_registrar.audit.chain import EMPTY, Head
from vestry_registrar.audit.event import Event
from vestry_registrar.audit.sealer import HeadGone
from vestry_registrar.audit.trail import verify
from vestry_registrar.enrolment import register_agent
from vestry_registrar.lifecycle import rotate
from vestry_registrar.repository import audit
from vestry_service.postgres import Pool, open_pool

SEAL_FOR_EVER = """
import asyncio, sys
from records import Seen
from audit_trail import sealer
from vestry_service.postgres import open_pool
async def main():
    async with open_pool(sys.argv[1]) as pool:
        own = sealer(pool, batch=7)
        while True:
            await own.seal()
asyncio.run(main())
"""


OLD_EVENT = """
    INSERT INTO audit_events (at, event, actor_kind, actor) VALUES (now() - '1 min'::interval, '', 'system', '')
"""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as pool:
        yield pool


async def whole(pool: Pool, count: int) -> None:
    """The chain is whole and holds this many events, each once."""
    verdict = await verify(pool)
    assert (verdict.broken, verdict.unsealed, verdict.head.seq) == (None, 0, count)
    assert len(set(await numbers(pool))) == count


async def gaps(pool: Pool) -> list[tuple[int, int]]:
    return [tuple(row) for row in await pool.fetch("SELECT first, last FROM audit_gaps ORDER BY first")]


async def test_an_empty_trail_is_whole(pool: Pool) -> None:
    """Before anything happened there is nothing to seal and nothing wrong."""
    assert await sealer(pool).seal() == 0
    assert (await verify(pool)).head == EMPTY


async def test_batches_follow_each_other(pool: Pool) -> None:
    """More events than a round takes are sealed in the next ones, in the order of their numbers."""
    await write(pool, 25)
    own = sealer(pool, batch=10)
    assert [await own.seal() for _ in range(4)] == [10, 10, 5, 0]
    await whole(pool, 25)
    assert await numbers(pool) == sorted(await numbers(pool))


async def test_who_commits_late_is_not_missed(pool: Pool) -> None:
    """An event whose transaction ends long after higher numbers were sealed is linked all the same."""
    own = sealer(pool)
    late = await pool.acquire()
    async with late.transaction():
        await audit.add(late, event())
        for _ in range(3):
            await write(pool, 2)
            await own.seal()
        assert await gaps(pool) == [(1, 1)]
    await pool.release(late)
    assert await own.seal() == 1
    await own.seal()
    assert await numbers(pool) == [2, 3, 4, 5, 6, 7, 1]
    await whole(pool, 7)
    assert await gaps(pool) == []


async def test_what_was_rolled_back_is_not_waited_for(pool: Pool) -> None:
    """A number that never comes is forgotten as soon as every transaction of its time is over, and not before."""
    own = sealer(pool)
    other = await pool.acquire()
    await other.execute("BEGIN")
    await other.execute("SELECT pg_current_xact_id()")
    async with pool.acquire() as undone:
        await undone.execute("BEGIN")
        await audit.add(undone, event())
        await undone.execute("ROLLBACK")
    await write(pool, 1)
    await own.seal()
    assert await own.seal() == 0
    assert await gaps(pool) == [(1, 1)]
    await other.execute("COMMIT")
    await pool.release(other)
    await own.seal()
    assert await gaps(pool) == []
    await whole(pool, 1)


async def test_a_full_batch_forgets_no_gap(pool: Pool) -> None:
    """Late events that did not fit into a round are still looked for in the next one."""
    own = sealer(pool, batch=3)
    late = await pool.acquire()
    async with late.transaction():
        for number in range(8):
            await audit.add(late, event(number))
        await write(pool, 1)
        await own.seal()
    await pool.release(late)
    assert [await own.seal() for _ in range(4)] == [3, 3, 2, 0]
    await whole(pool, 9)


async def test_a_number_is_drawn_after_the_transaction_has_its_own(pool: Pool) -> None:
    """That is what lets the sealer know who may still come: also where the event is all that a transaction writes."""
    plan = await pool.fetchval(
        "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'audit_events'::regclass "
        "AND adnum = (SELECT attnum FROM pg_attribute WHERE attrelid = adrelid AND attname = 'id')"
    )
    assert plan.index("pg_current_xact_id()") < plan.index("nextval")
    async with pool.acquire() as one:
        await one.execute("BEGIN")
        await audit.add(one, event())
        assert await one.fetchval("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
        await one.execute("ROLLBACK")


async def test_32_writers_and_3_sealers_at_once(database_url: str, pool: Pool) -> None:
    """Registrations, rotations, events alone, and transactions that fail: all that is committed is linked, once."""

    async def writer(own: Pool, number: int) -> int:
        chance = random.Random(number)
        done = 0
        for turn in range(6):
            key, new = Key(), Key()
            enrolled = await register_agent(own, key.jwk, key.kid, SOMEBODY)
            await rotate(own, by(enrolled.uid, key.kid), coming(new))
            async with own.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                await audit.add(connection, Event("token.used", SOMEBODY, details={"turn": turn}))
                await asyncio.sleep(chance.random() / 50)
                fails = chance.random() < 0.3
                await (transaction.rollback() if fails else transaction.commit())
            done += 3 - fails
        return done

    async def seal(own: Pool, stop: asyncio.Event) -> None:
        one = sealer(own, batch=20)
        while not stop.is_set():
            await one.seal()
            await asyncio.sleep(0.005)

    stop = asyncio.Event()
    async with open_pool(database_url, 32) as wide:
        sealers = [asyncio.create_task(seal(pool, stop)) for _ in range(3)]
        written = sum(await asyncio.gather(*(writer(wide, number) for number in range(32))))
        stop.set()
        await asyncio.gather(*sealers)
    await sealer(pool).seal()
    await sealer(pool).seal()
    await whole(pool, written)
    assert await gaps(pool) == []


def sealing_process(database_url: str) -> "subprocess.Popen[bytes]":
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", SEAL_FOR_EVER, database_url], env=environ)


async def test_a_sealer_killed_anywhere_leaves_whole_links(database_url: str, pool: Pool) -> None:
    """`kill -9` again and again, while events come: every event is linked once, and the chain goes on."""
    chance = random.Random(9421)
    written = 0
    for _ in range(5):
        with sealing_process(database_url) as process:
            before = len(await numbers(pool))
            while len(await numbers(pool)) == before or chance.random() < 0.9:
                await audit.add(pool, event(written))
                written += 1
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)
    own = sealer(pool)
    for _ in range(200):  # the killed one's lock goes when the server has noticed
        await own.seal()
        if len(await numbers(pool)) == written:
            break
        await asyncio.sleep(0.02)
    await whole(pool, written)


async def test_a_database_that_goes_away_is_waited_for(own_postgres: PostgresServer) -> None:
    """The sealing goes on by itself when the database is back, and says nothing of it as a fault."""
    url, seen = own_postgres.create_database(), Seen()
    async with migrated(url) as pool:
        running = asyncio.create_task(sealer(pool, seen).run())
        await write(pool, 3)
        await until(lambda: "audit_sealed" in seen.events)
        own_postgres.kill()
        await asyncio.sleep(0.6)
        own_postgres.start()
        await write(pool, 2)
        await until(lambda: seen.events.count("audit_sealed") >= 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await whole(pool, 5)
    assert set(seen.events) == {"audit_sealed"}


async def test_every_new_head_is_told_to_the_log(pool: Pool) -> None:
    """The line has what `vestry audit verify --head` takes."""
    seen = Seen()
    await write(pool, 2)
    await sealer(pool, seen).seal()
    [(event_name, facts)] = seen.lines
    head = (await verify(pool)).head
    assert (event_name, facts) == ("audit_sealed", {"seq": 2, "hash": head.hash.hex()})
    assert Head.parse(f"{facts['seq']}:{facts['hash']}") == head


async def test_what_is_not_sealed_for_long_is_counted(pool: Pool) -> None:
    """The gauge shows events that are old and not linked; those that came just now are none of them."""
    seen = Seen()
    await write(pool, 2)
    await pool.execute(OLD_EVENT)
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock($1)", audit.LOCK_NUMBER)
        running = asyncio.create_task(sealer(pool, seen).run())
        await until(lambda: seen.values != [])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert seen.values[0] == 1


async def test_a_fault_is_told_and_does_not_end_the_sealing(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the tables were tampered with the log says so, and sealing goes on once they are mended."""
    monkeypatch.setattr("vestry_registrar.audit.sealer.RETRY", 0.05)
    seen = Seen()
    async with pool.acquire() as superuser:
        await superuser.execute("SET session_replication_role = replica")
        await superuser.execute("CREATE TABLE kept AS SELECT * FROM audit_head")
        await superuser.execute("DELETE FROM audit_head")
        with pytest.raises(HeadGone):
            await sealer(pool).seal()
        running = asyncio.create_task(sealer(pool, seen).run())
        await until(lambda: "audit_sealing_failed" in seen.events)
        await superuser.execute("INSERT INTO audit_head SELECT * FROM kept")
        await superuser.execute("RESET session_replication_role")
        await write(pool, 1)
        await until(lambda: "audit_sealed" in seen.events)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await whole(pool, 1)
