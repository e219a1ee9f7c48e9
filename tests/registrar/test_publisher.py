"""What Postgres says of a key reaches the live records: now or later, in order, whatever dies on the way."""

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from records import SOMEBODY, Key, Seen, by, coming, migrated, until
from replay_stores import RealServer, Stores, claim, fake_stores, now, real_stores
from stores import PostgresServer, ValkeyServer
from vestry_registrar.enrolment import register_agent, register_tool
from vestry_registrar.lifecycle import rotate
from vestry_registrar.live_store import LiveStore
from vestry_registrar.publisher import Publisher
from vestry_registrar.repository import memory_marks
from vestry_registrar.repository.memory_marks import KnownStore
from vestry_service.live_records import LiveRecord, Mark
from vestry_service.postgres import Pool, open_pool
from vestry_signatures.errors import DatabaseUnavailable

TTL = 300
SKEW = 60
COMMIT_AND_DIE = """
import asyncio, os, signal, sys
from records import Key, by, coming
from vestry_registrar.lifecycle import rotate
from vestry_service.postgres import open_pool

async def main(url, uid, old_kid, new_x):
    async with open_pool(url) as pool:
        new = Key(new_x)
        await rotate(pool, by(uid, old_kid), coming(new))
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


class Registrar:
    """A publisher with what it stands on, and what it said."""

    def __init__(self, pool: Pool, live: LiveStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.pool = pool
        self.seen = Seen()
        self.publisher = Publisher(
            pool,
            live,
            TTL,
            SKEW,
            self.seen,
            self.seen,
            monotonic=monotonic,  # type: ignore[arg-type]
        )

    async def enrol(self, key: Key) -> str:
        enrolled = await register_agent(self.pool, key.jwk, key.kid, SOMEBODY)
        await self.publisher.announce(enrolled)
        return enrolled.uid

    async def rotate(self, uid: str, old: Key, new: Key) -> bool:
        await rotate(self.pool, by(uid, old.kid), coming(new))
        return await self.publisher.publish(uid)

    async def waiting(self) -> int:
        return int(await self.pool.fetchval("SELECT count(*) FROM outbox"))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as pool:
        yield pool


@pytest.fixture
async def stores(valkey: ValkeyServer) -> AsyncIterator[Stores]:
    async with real_stores(valkey) as stores:
        yield stores


@pytest.fixture
async def own_stores(own_valkey: ValkeyServer) -> AsyncIterator[Stores]:
    async with real_stores(own_valkey) as stores:
        yield stores


@pytest.fixture
def registrar(pool: Pool, stores: Stores) -> Registrar:
    return Registrar(pool, stores.live)


@asynccontextmanager
async def running(*registrars: Registrar) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(registrar.publisher.run()) for registrar in registrars]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def state(stores: Stores, key: Key) -> str | None:
    record = await stores.replay.look(key.kid)
    return record.state if record else None


async def test_a_registration_is_live_at_once(registrar: Registrar, stores: Stores) -> None:
    """The record that the registration returned stands in Redis when `announce` has returned."""
    key = Key()
    uid = await registrar.enrol(key)
    assert await stores.replay.look(key.kid) == LiveRecord(1, uid, key.kid, "active", 0, 0, key.x)


async def test_a_rotation_is_live_when_it_is_answered(registrar: Registrar, stores: Stores) -> None:
    """Both keys say what they are now, at the same version, and the outbox is empty."""
    old, new = Key(), Key()
    uid = await registrar.enrol(old)
    assert await registrar.rotate(uid, old, new)
    assert await stores.replay.look(old.kid) == LiveRecord(2, uid, old.kid, "revoked", 0, 0, old.x)
    assert await stores.replay.look(new.kid) == LiveRecord(2, uid, new.kid, "active", 0, 0, new.x)
    assert await registrar.waiting() == 0


async def test_what_stands_at_a_server_that_is_not_open_is_not_published(
    registrar: Registrar, stores: Stores
) -> None:
    """Somebody may ask the old primary for a moment: the answer says so, and the loop sends it once more."""
    old, new = Key(), Key()
    uid = await registrar.enrol(old)
    await memory_marks.put(registrar.pool, KnownStore(await stores.run_id(), True, 9, 1, "shut"))
    assert not await registrar.rotate(uid, old, new)
    assert await state(stores, old) == "revoked"
    assert await registrar.waiting() == 1
    await memory_marks.put(registrar.pool, KnownStore(await stores.run_id(), True, 9, 1, "open"))
    assert await registrar.publisher.publish(uid)
    assert await registrar.waiting() == 0


async def test_a_suspended_agents_active_keys_are_suspended(registrar: Registrar, stores: Stores) -> None:
    """The agent's state shows on its keys in use; a revoked key stays revoked."""
    old, new = Key(), Key()
    uid = await registrar.enrol(old)
    await registrar.rotate(uid, old, new)
    await registrar.pool.execute("UPDATE agents SET state = 'suspended', version = version + 1")
    assert await registrar.publisher.publish(uid)
    assert (await state(stores, old), await state(stores, new)) == ("revoked", "suspended")


async def test_only_what_was_served_leaves_the_outbox(registrar: Registrar) -> None:
    """A change that commits while an older one is being published keeps its row."""
    key = Key()
    uid = await registrar.enrol(key)
    await registrar.pool.execute(
        "INSERT INTO outbox (agent_id, version, created_at) SELECT id, 1, now() FROM agents"
    )
    await registrar.pool.execute(
        "INSERT INTO outbox (agent_id, version, created_at) SELECT id, 2, now() FROM agents"
    )
    assert await registrar.publisher.publish(uid)
    assert [row["version"] for row in await registrar.pool.fetch("SELECT version FROM outbox")] == [2]


async def test_an_answer_rereads_and_writes(registrar: Registrar, stores: Stores) -> None:
    """A record that Redis lacks is answered from Postgres and stands in Redis then."""
    key = Key()
    uid = (await register_agent(registrar.pool, key.jwk, key.kid, SOMEBODY)).uid
    answer = await registrar.publisher.answer(uid, key.kid)
    assert answer == LiveRecord(1, uid, key.kid, "active", 0, 0, key.x)
    assert await stores.replay.look(key.kid) == answer


async def test_a_revoked_key_is_answered_as_revoked(registrar: Registrar, stores: Stores) -> None:
    """Cold as well as warm it is known, and known to be out of use."""
    old, new = Key(), Key()
    uid = await registrar.enrol(old)
    await registrar.rotate(uid, old, new)
    stores.server.forget()
    answer = await registrar.publisher.answer(uid, old.kid)
    assert answer is not None
    assert answer.state == "revoked"
    assert await state(stores, old) == "revoked"


async def test_a_pair_that_never_stood_has_no_answer(registrar: Registrar, stores: Stores) -> None:
    """Another's kid, an unknown kid, an unknown uid, a tool, a uid spelt otherwise: None, and nothing is written."""
    mine, others, tools = Key(), Key(), Key()
    uid = (await register_agent(registrar.pool, mine.jwk, mine.kid, SOMEBODY)).uid
    await register_agent(registrar.pool, others.jwk, others.kid, SOMEBODY)
    tool = await register_tool(registrar.pool, tools.jwk, tools.kid, SOMEBODY)
    for asked, key in (
        (uid, others), (uid, tools), (uid, Key()), ("agent-" + "0" * 24, mine), (tool.uid, tools),
        (uid.removeprefix("agent-"), mine), (uid.upper(), mine), ("", mine),
    ):  # fmt: skip
        assert await registrar.publisher.answer(asked, key.kid) is None
        assert await stores.replay.look(key.kid) is None


async def test_an_answer_outlives_a_store_that_is_away(pool: Pool) -> None:
    """What cannot be written is answered all the same."""
    stores = fake_stores()
    registrar, key = Registrar(pool, stores.live), Key()
    uid = await registrar.enrol(key)
    stores.server.fail()
    answer = await registrar.publisher.answer(uid, key.kid)
    assert answer is not None
    assert answer.kid == key.kid


async def test_a_database_that_is_away_is_no_answer(pool: Pool) -> None:
    """Without Postgres nothing is known: DatabaseUnavailable to who asks, False to who publishes."""
    registrar = Registrar(pool, fake_stores().live)
    uid = await registrar.enrol(Key())
    pool.terminate()
    with pytest.raises(DatabaseUnavailable):
        await registrar.publisher.answer(uid, Key().kid)
    assert not await registrar.publisher.publish(uid)


async def test_what_was_read_long_ago_is_read_again(pool: Pool) -> None:
    """A reading that took more than a quarter of a record's life is not written."""
    old, new = Key(), Key()
    stores = fake_stores()
    ticks = iter([0.0, TTL / 4 + 1, 100.0, 100.0])
    registrar = Registrar(pool, stores.live, monotonic=lambda: next(ticks))
    uid = await registrar.enrol(old)
    await rotate(pool, by(uid, old.kid), coming(new))
    assert await registrar.publisher.publish(uid)
    assert next(ticks, None) is None


async def test_readings_that_are_all_too_old_are_given_up(pool: Pool) -> None:
    """A database that is always too slow publishes nothing; the outbox keeps the change."""
    stores, old, new = fake_stores(), Key(), Key()
    crawling = iter(range(0, 10**6, TTL))
    registrar = Registrar(pool, stores.live, monotonic=lambda: float(next(crawling)))
    uid = await registrar.enrol(old)
    assert not await registrar.rotate(uid, old, new)
    assert await state(stores, new) is None
    assert await registrar.waiting() == 1


async def test_a_store_away_during_a_rotation(pool: Pool, own_stores: Stores) -> None:
    """The change stands and is called unpublished; when the store is back, the loop sends it by itself."""
    registrar, old, new = Registrar(pool, own_stores.live), Key(), Key()
    uid = await registrar.enrol(old)
    own_stores.server.fail()
    assert not await registrar.rotate(uid, old, new)
    assert await registrar.waiting() == 1
    async with running(registrar):
        await asyncio.sleep(0.6)
        assert registrar.seen.values[-1] == 1
        own_stores.server.heal()
        await until(lambda: registrar.seen.values[-1] == 0)
    assert (await state(own_stores, old), await state(own_stores, new)) == ("revoked", "active")
    assert await registrar.waiting() == 0


async def test_what_is_held_up_is_sent_as_soon_as_it_can_be(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that could not be published is tried again at once and all the time, not at the next round."""
    monkeypatch.setattr("vestry_registrar.publisher.PERIOD", 3600.0)
    stores, old, new = fake_stores(), Key(), Key()
    registrar = Registrar(pool, stores.live)
    uid = await registrar.enrol(old)
    async with running(registrar):
        await until(lambda: registrar.seen.values == [0])  # the first round is over, the next is an hour away
        stores.server.fail()
        assert not await registrar.rotate(uid, old, new)
        await until(lambda: "outbox_trouble" in registrar.seen.events)
        stores.server.heal()
        await until(lambda: "outbox_recovered" in registrar.seen.events)
    assert (await state(stores, old), await state(stores, new)) == ("revoked", "active")


async def test_trouble_is_told_when_it_begins_and_when_it_ends(pool: Pool) -> None:
    """Ten rounds without a store are one line each for outbox and mark, and one each when it is back."""
    stores, old, new = fake_stores(), Key(), Key()
    registrar = Registrar(pool, stores.live)
    uid = await registrar.enrol(old)
    stores.server.fail()
    await registrar.rotate(uid, old, new)
    for _ in range(10):
        await registrar.publisher.round()
    stores.server.heal()
    for _ in range(3):
        await registrar.publisher.round()
    assert registrar.seen.events == [
        "outbox_trouble", "memory_mark_trouble", "outbox_recovered", "memory_begins", "memory_mark_recovered",
    ]  # fmt: skip


async def test_nothing_unforeseen_ends_the_loop(pool: Pool) -> None:
    """A fault of ours is told with its traceback, once, and the next round goes on."""
    stores = fake_stores()
    registrar = Registrar(pool, stores.live)
    await pool.execute("ALTER TABLE outbox RENAME TO elsewhere")
    for _ in range(3):
        await registrar.publisher.round()
    await pool.execute("ALTER TABLE elsewhere RENAME TO outbox")
    await registrar.publisher.round()
    outbox_lines = [facts for event, facts in registrar.seen.lines if event == "outbox_trouble"]
    assert [set(facts) for facts in outbox_lines] == [{"exc_info"}]
    assert registrar.seen.events[-2:] == ["outbox_recovered", "memory_mark_recovered"]


async def test_killed_between_commit_and_publish(
    database_url: str, registrar: Registrar, stores: Stores
) -> None:
    """A registrar that gets kill -9 when its rotation is committed leaves it to the next one that starts."""
    old, new = Key(), Key()
    uid = await registrar.enrol(old)
    died = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", COMMIT_AND_DIE, database_url, uid, old.kid, new.x],
        cwd=Path(__file__).parents[1],
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert (await state(stores, old), await state(stores, new)) == ("active", None)
    await Registrar(registrar.pool, stores.live).publisher.round()
    assert (await state(stores, old), await state(stores, new)) == ("revoked", "active")
    assert await registrar.waiting() == 0


async def test_two_publishers_share_a_long_outbox(registrar: Registrar, stores: Stores) -> None:
    """Each row is sent, by one or the other, and none is left; neither waits for the other."""
    pairs = [(Key(), Key()) for _ in range(450)]
    for old, new in pairs:
        uid = (await register_agent(registrar.pool, old.jwk, old.kid, SOMEBODY)).uid
        await rotate(registrar.pool, by(uid, old.kid), coming(new))
    other = Registrar(registrar.pool, stores.live)
    await asyncio.gather(registrar.publisher.send(), other.publisher.send())
    assert await registrar.waiting() == 0
    states = [(await state(stores, old), await state(stores, new)) for old, new in pairs]
    assert states == [("revoked", "active")] * len(pairs)


async def test_a_row_that_another_sends_is_left_to_it(registrar: Registrar, stores: Stores) -> None:
    """Neither the loop nor a publish waits for a registrar that holds a row; what it holds stays its own."""
    old, new = Key(), Key()
    uid = await registrar.enrol(old)
    await rotate(registrar.pool, by(uid, old.kid), coming(new))
    async with registrar.pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM outbox FOR UPDATE")
        async with asyncio.timeout(2):
            await registrar.publisher.send()
            assert await state(stores, new) is None
            assert await registrar.publisher.publish(uid)
    assert await state(stores, new) == "active"
    assert await registrar.waiting() == 1


async def test_two_registrars_keep_one_beginning(registrar: Registrar, stores: Stores) -> None:
    """With two loops at work the pulse only rises, the beginning stays, and signatures pass all the time."""
    other = Registrar(registrar.pool, stores.live)
    await registrar.publisher.round()
    pulses, passed = [], []
    async with running(registrar, other):
        for _ in range(25):
            await asyncio.sleep(0.1)
            pulses.append((await stores.live.server()).pulse)
            passed.append((await stores.replay.recheck([claim()._replace(created=1)]))[0].remembered)
    assert pulses == sorted(pulses)
    assert pulses[-1] >= pulses[0] + 2
    assert all(passed)
    assert (await stores.live.marks()) == Mark(0, await stores.run_id(), 60)


async def test_a_flushed_store_heals_and_old_keys_stay_dead(registrar: Registrar, stores: Stores) -> None:
    """First nothing passes; then what is signed after the loss does, and the old key is still revoked."""
    old, new = Key(), Key()
    uid = await registrar.enrol(old)
    await registrar.rotate(uid, old, new)
    await registrar.publisher.round()
    stores.server.forget()
    [cold] = await stores.replay.recheck([claim(new.kid)])
    assert (cold.record, cold.remembered) == (None, False)
    await registrar.publisher.round()
    before, after = await stores.replay.recheck(
        [claim(new.kid, created=now() + SKEW), claim(new.kid, created=now() + SKEW + 5)]
    )
    assert (before.remembered, after.remembered) == (False, True)
    assert (await state(stores, old), await state(stores, new)) == ("revoked", "active")


async def test_a_restart_with_the_append_only_file_keeps_the_beginning(
    pool: Pool, own_stores: Stores
) -> None:
    """After a kill -9 nothing passes until the next look, and then everything as if nothing had been."""
    registrar, key = Registrar(pool, own_stores.live), Key()
    await registrar.enrol(key)
    await registrar.publisher.round()
    await own_stores.restart(whole=True)
    [during] = await own_stores.replay.recheck([claim(key.kid)])
    assert not during.remembered
    await registrar.publisher.round()
    [later] = await own_stores.replay.recheck([claim(key.kid)._replace(created=1)])
    assert later.remembered
    assert later.record is not None
    assert await own_stores.live.marks() == Mark(0, await own_stores.run_id(), 60)


async def test_a_rewritten_append_only_file_is_as_good(pool: Pool, own_stores: Stores) -> None:
    """Redis may have folded its file into a snapshot before the restart: the beginning stays."""
    registrar = Registrar(pool, own_stores.live)
    await registrar.publisher.round()
    assert isinstance(own_stores.server, RealServer)
    valkey = own_stores.server.valkey
    valkey.command("BGREWRITEAOF")
    await until(lambda: b"aof_rewrite_in_progress:0" in valkey.command("INFO", "persistence"))
    await registrar.publisher.round()
    await own_stores.restart(whole=True)
    await registrar.publisher.round()
    assert await own_stores.live.marks() == Mark(0, await own_stores.run_id(), 60)


async def test_a_store_restored_from_an_older_file(
    pool: Pool, own_valkey: ValkeyServer, own_stores: Stores, tmp_path: Path
) -> None:
    """Its memory begins anew, and a key that was revoked since is revoked there before anything may pass."""
    registrar, old, new = Registrar(pool, own_stores.live), Key(), Key()
    uid = await registrar.enrol(old)
    await registrar.publisher.round()
    own_valkey.kill()
    shutil.copytree(own_valkey.folder, tmp_path / "older")
    own_valkey.start()
    await asyncio.sleep(0.01)
    await registrar.publisher.round()
    assert await registrar.rotate(uid, old, new)
    for _ in range(3):
        await registrar.publisher.round()
    own_valkey.kill()
    shutil.rmtree(own_valkey.folder)
    shutil.copytree(tmp_path / "older", own_valkey.folder)
    own_valkey.start()
    await asyncio.sleep(0.01)
    assert await state(own_stores, old) == "active"
    await registrar.publisher.round()
    [judged] = await own_stores.replay.recheck([claim(old.kid, created=now() + SKEW)])
    assert not judged.remembered
    assert judged.record is not None
    assert judged.record.state == "revoked"
    assert await state(own_stores, new) == "active"


async def test_old_records_are_rewritten_before_the_store_opens(pool: Pool) -> None:
    """At no moment may a signature pass by a record older than what Postgres says."""
    stores, old, new = fake_stores(), Key(), Key()
    registrar = Registrar(pool, stores.live)
    uid = await registrar.enrol(old)
    stale = await stores.replay.look(old.kid)
    assert stale is not None
    await registrar.rotate(uid, old, new)
    await registrar.publisher.round()
    stores.server.restart(whole=False)
    await stores.live.write([stale])
    while not (
        answer := (await stores.replay.recheck([claim(old.kid, created=now() + 2 * SKEW)]))[0]
    ).remembered:
        assert answer.record == stale
        await registrar.publisher.round()
    assert answer.record is not None
    assert answer.record.state == "revoked"


async def test_all_that_changed_lately_is_rewritten_page_by_page(pool: Pool) -> None:
    """However many there are; what never changed, or long ago, is left to be asked for."""
    stores = fake_stores()
    registrar = Registrar(pool, stores.live)
    pairs = [(Key(), Key()) for _ in range(450)]
    for old, new in pairs:
        uid = (await register_agent(pool, old.jwk, old.kid, SOMEBODY)).uid
        await rotate(pool, by(uid, old.kid), coming(new))
    await pool.execute("DELETE FROM outbox")
    first = pairs[0]
    await pool.execute(
        "UPDATE agents SET updated_at = now() - interval '601 s' WHERE id = (SELECT min(id) FROM agents)"
    )
    untouched = Key()
    await register_agent(pool, untouched.jwk, untouched.kid, SOMEBODY)
    async with pool.acquire() as connection:
        await registrar.publisher.refresh(connection, lambda _: True)
    states = [(await state(stores, old), await state(stores, new)) for old, new in pairs[1:]]
    assert states == [("revoked", "active")] * (len(pairs) - 1)
    assert [await state(stores, key) for key in (*first, untouched)] == [None, None, None]


async def test_it_recovers_when_the_database_is_back(own_postgres: PostgresServer) -> None:
    """With Postgres gone for a while the loop goes on, and sends what waits when it is back."""
    url, stores = own_postgres.create_database(), fake_stores()
    async with migrated(url):
        pass
    async with open_pool(url) as pool:
        registrar, old, new = Registrar(pool, stores.live), Key(), Key()
        uid = await registrar.enrol(old)
        await rotate(pool, by(uid, old.kid), coming(new))
        own_postgres.kill()
        await registrar.publisher.round()
        assert registrar.seen.events == ["outbox_trouble", "memory_mark_trouble"]
        own_postgres.start()
        async with asyncio.timeout(20):
            while await state(stores, new) != "active":
                await registrar.publisher.round()
    assert await state(stores, old) == "revoked"
