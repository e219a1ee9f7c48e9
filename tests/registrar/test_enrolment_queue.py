"""Many registrations in one statement: each gets what it would have got alone, whatever becomes of the others."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
import pytest

from records import NOW, SOMEBODY, Key, by, coming, migrated
from services import until
from stores import PostgresServer
from vestry_registrar import enrolment_queue
from vestry_registrar.admission import Statements
from vestry_registrar.enrolment import Enrolled, EnrolledTool, register_agent, register_tool
from vestry_registrar.enrolment_queue import EnrolmentQueue
from vestry_registrar.lifecycle import Rotated, rotate
from vestry_registrar.repository.edge import UidCollision
from vestry_registrar.repository.enrolments import FoundAgentKey, NewKey, enrol_agent, find_agent_key
from vestry_service.errors import KeyRevoked, KeyTaken
from vestry_service.postgres import Pool, open_pool
from vestry_signatures.errors import DatabaseUnavailable
from vestry_signatures.validity import Validity

AGENTS_AND_EVENTS = """
    SELECT a.uid, k.kid FROM agents a JOIN public_jwks k ON k.agent_id = a.id WHERE a.version = 1
    EXCEPT SELECT substr(uid, 7), kid FROM audit_events WHERE event = 'agent.registered'
"""
BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as pool:
        yield pool


class Desk:
    """Where agents register, through a queue of its own."""

    def __init__(self, pool: Pool, largest: int = 64, abreast: int = 2) -> None:
        self.pool = pool
        self.queue = EnrolmentQueue(pool, largest=largest, abreast=abreast)
        self._statements = Statements(self.queue.enrol, find_agent_key)

    async def register(self, key: Key) -> Enrolled:
        return await register_agent(self.pool, key.jwk, key.kid, SOMEBODY, statements=self._statements)

    async def enrol(self, digits: str, key: Key, label: str | None = None) -> FoundAgentKey | None:
        return await self.queue.enrol(self.pool, digits, NewKey(key.kid, key.jwk, SOMEBODY, label=label))


async def at_once(work: "Sequence[Awaitable[Enrolled]]") -> list[Enrolled | BaseException]:
    return await asyncio.gather(*work, return_exceptions=True)


async def transactions(pool: Pool) -> int:
    """How many transactions wrote the keys that there are."""
    return int(await pool.fetchval("SELECT count(DISTINCT xmin::text) FROM public_jwks"))


async def agents(pool: Pool) -> int:
    """How many agents there are, each of which has its key and its event."""
    assert await pool.fetch(AGENTS_AND_EVENTS) == []
    assert await pool.fetchval("SELECT count(*) FROM audit_events WHERE event = 'agent.registered'") == (
        await pool.fetchval("SELECT count(*) FROM agents")
    )
    return int(await pool.fetchval("SELECT count(*) FROM agents"))


@contextmanager
def held(database_url: str) -> Iterator[psycopg.Connection]:
    """Hold the keys' table: whoever registers waits."""
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE public_jwks IN ACCESS EXCLUSIVE MODE")
        yield holder


async def blocked(database_url: str, number: int = 1) -> None:
    """Wait until so many statements wait for the table."""
    with psycopg.connect(database_url, autocommit=True) as watcher:

        async def there_are() -> bool:
            return len(watcher.execute(BLOCKED).fetchall()) == number

        await until(there_are)


async def test_what_comes_at_once_is_one_statement(pool: Pool) -> None:
    """Forty new keys in one turn are one transaction, and each has an agent, a key and an event of its own."""
    keys = [Key() for _ in range(40)]
    enrolled = await asyncio.gather(*map(Desk(pool).register, keys))
    assert await transactions(pool) == 1
    assert await agents(pool) == len({each.uid for each in enrolled}) == 40
    for key, each in zip(keys, enrolled, strict=True):
        assert (each.kid, each.is_new, each.jwk) == (key.kid, True, {**key.jwk, "kid": key.kid})
        assert each.record.x == key.x


async def test_a_statement_has_a_bound(pool: Pool) -> None:
    """No more keys travel together than may."""
    desk = Desk(pool, largest=4)
    await asyncio.gather(*(desk.register(Key()) for _ in range(10)))
    assert await transactions(pool) == 3


async def test_a_batch_tells_what_one_statement_would(pool: Pool) -> None:
    """State, label, times, version and key: all that is told of a new agent is what stands in the database."""
    made = [
        NewKey(key.kid, key.jwk, SOMEBODY, validity, state, label)
        for key, validity, state, label in [
            (Key(), Validity(None, None), "active", None),
            (Key(), Validity(NOW, NOW + 60), "active", "fleet"),
            (Key(), Validity(None, NOW + 60), "pending", None),
        ]
    ]
    queue = EnrolmentQueue(pool)
    told = await asyncio.gather(*(queue.enrol(pool, f"{n:024x}", new) for n, new in enumerate(made)))
    assert await transactions(pool) == 1
    for new, found in zip(made, told, strict=True):
        single = await enrol_agent(pool, "f" * 24, new)
        assert found is not None
        assert single is not None
        assert (found.is_new, single.is_new) == (True, False)
        for fact in ("uid", "jwk", "key_state", "owner_state", "version", "validity"):
            assert getattr(found, fact) == getattr(single, fact)
        assert single.read_at - 60 < found.read_at <= single.read_at
    labels = await pool.fetch("SELECT label FROM agents ORDER BY uid")
    assert [row["label"] for row in labels] == [None, "fleet", None]


async def test_known_taken_and_revoked_keys_among_new_ones(pool: Pool) -> None:
    """Each hears its own answer: an agent that is known, a key that is a tool's, one out of use, and new agents."""
    desk, known, tools, old = Desk(pool), Key(), Key(), Key()
    agent = await desk.register(known)
    await register_tool(pool, tools.jwk, tools.kid, SOMEBODY)
    rotated = await desk.register(old)
    await rotate(pool, by(rotated.uid, old.kid), coming(Key()))
    before = await transactions(pool)
    again, taken, revoked, *new = await at_once(
        [desk.register(key) for key in (known, tools, old, *(Key() for _ in range(5)))]
    )
    assert isinstance(again, Enrolled)
    assert (again.uid, again.is_new, again.record) == (agent.uid, False, agent.record)
    assert isinstance(taken, KeyTaken)
    assert isinstance(revoked, KeyRevoked)
    assert all(isinstance(each, Enrolled) and each.is_new for each in new)
    assert await transactions(pool) == before + 1
    assert await pool.fetchval("SELECT count(*) FROM agents") == 2 + 5


async def test_a_key_under_change_holds_nobody_up(pool: Pool, database_url: str) -> None:
    """Whoever changes a key may take long over it, or hang: who registers with it or beside it is told."""
    desk, known = Desk(pool), Key()
    uid = (await desk.register(known)).uid
    with psycopg.connect(database_url) as changing:
        changing.execute("UPDATE public_jwks SET state = 'revoked' WHERE kid = %s", (known.kid,))
        async with asyncio.timeout(2):
            again, *others = await asyncio.gather(*map(desk.register, [known, *(Key() for _ in range(8))]))
        assert (again.uid, again.is_new) == (uid, False)
        assert all(each.is_new for each in others)
    assert await agents(pool) == 9


async def test_the_same_key_twice_in_a_batch(pool: Pool) -> None:
    """They share an agent and its one event, and one of them made it."""
    desk, key = Desk(pool), Key()
    enrolled = await asyncio.gather(*(desk.register(each) for each in [key] * 20 + [Key()]))
    assert len({each.uid for each in enrolled[:20]}) == 1
    assert [each.is_new for each in enrolled] == [True] + [False] * 19 + [True]
    assert await agents(pool) == 2


async def test_a_hundred_with_the_same_key_over_two_pools(pool: Pool, database_url: str) -> None:
    """However they come, in statements that run against each other: one uid, and exactly one of them made it."""
    async with open_pool(database_url) as other:
        desks = [Desk(each, largest=8, abreast=4) for each in (pool, other)]
        for _ in range(3):
            key, before = Key(), await agents(pool)
            some = [key if n % 2 else Key() for n in range(200)]
            enrolled = await asyncio.gather(*(desks[n % 4 // 2].register(one) for n, one in enumerate(some)))
            same = [each for each in enrolled if each.kid == key.kid]
            assert len(same) == 100
            assert len({each.uid for each in same}) == 1
            assert sum(each.is_new for each in same) == 1
            assert await agents(pool) == before + 101


async def test_the_same_keys_in_any_order_over_two_pools(pool: Pool, database_url: str) -> None:
    """Statements that have keys in common never wait for each other in a ring, and each key is new once."""
    keys = [Key() for _ in range(48)]
    async with open_pool(database_url) as other:
        work: list[Awaitable[Enrolled]] = []
        for desk in (Desk(pool), Desk(pool), Desk(other), Desk(other)):
            work += map(desk.register, random.sample(keys, len(keys)))
        enrolled = await asyncio.gather(*work)
    assert sum(each.is_new for each in enrolled) == await agents(pool) == 48
    assert len({(each.kid, each.uid) for each in enrolled}) == 48


async def test_changes_and_tools_after_the_same_new_keys(pool: Pool, database_url: str) -> None:
    """Batches, rotations to their keys and tools with them: one owner each, and nobody waits in a ring."""
    async with open_pool(database_url) as other:
        desks, owners = (Desk(pool), Desk(other)), [Key() for _ in range(4)]
        uids = [(await desks[0].register(key)).uid for key in owners]
        for _ in range(10):
            new = [Key() for _ in range(16)]
            some = random.sample(new, 8)
            work: list[Awaitable[object]] = [desk.register(key) for desk in desks for key in (*new, *owners)]
            work += [
                rotate(pool, by(uid, old.kid), coming(key))
                for uid, old, key in zip(uids, owners, some[:4], strict=True)
            ]
            work += [register_tool(other, key.jwk, key.kid, SOMEBODY) for key in some[4:]]
            random.shuffle(work)
            done = await asyncio.gather(*work, return_exceptions=True)
            assert {type(each) for each in done if isinstance(each, Exception)} <= {KeyTaken, KeyRevoked}
            rotated = {each.kid: each.uid for each in done if isinstance(each, Rotated)}
            made = [each.kid for each in done if isinstance(each, Enrolled | EnrolledTool) and each.is_new]
            assert sorted([*rotated, *made]) == sorted(key.kid for key in new)
            by_kid = {key.kid: key for key in new}
            for kid, uid in rotated.items():
                owners[uids.index(uid)] = by_kid[kid]


async def test_a_uid_in_use_concerns_its_own_alone(pool: Pool) -> None:
    """Of two that drew the same digits one must draw again; who shared their statement hears nothing of it."""
    desk, keys = Desk(pool), [Key() for _ in range(4)]
    drawn = ["a" * 24, "a" * 24, "b" * 24, "c" * 24]
    found = await asyncio.gather(*map(desk.enrol, drawn, keys), return_exceptions=True)
    assert sum(isinstance(each, UidCollision) for each in found[:2]) == 1
    assert sum(isinstance(each, FoundAgentKey) and each.is_new for each in found) == 3
    assert await agents(pool) == 3
    enrolled = await asyncio.gather(*map(desk.register, keys))
    assert sum(each.is_new for each in enrolled) == 1, "drawn again"


async def test_a_value_that_is_no_text_concerns_its_own_alone(pool: Pool) -> None:
    """Postgres has no room for a zero byte: the one who brings it fails, and nobody else."""
    desk = Desk(pool)
    found = await asyncio.gather(
        *(desk.enrol(f"{n:024x}", Key(), "a\0b" if n == 1 else "ab") for n in range(4)),
        return_exceptions=True,
    )
    assert [isinstance(each, FoundAgentKey) for each in found] == [True, False, True, True]
    assert await agents(pool) == 3


async def test_who_leaves_takes_nobody_along(pool: Pool, database_url: str) -> None:
    """Cancelled while the statement runs, or while its batch still waits: the others are enrolled.

    Who left before the statement began is not.
    """
    desk, keys = Desk(pool, abreast=1), [Key() for _ in range(4)]
    with held(database_url):
        running = [asyncio.create_task(desk.register(key)) for key in keys[:2]]
        await blocked(database_url)
        waiting = [asyncio.create_task(desk.register(key)) for key in keys[2:]]
        await asyncio.sleep(0)
        for task in (running[0], waiting[0]):
            task.cancel()
    first, second, third, fourth = await at_once([*running, *waiting])
    assert isinstance(first, asyncio.CancelledError)
    assert isinstance(third, asyncio.CancelledError)
    for each, key in ((second, keys[1]), (fourth, keys[3])):
        assert isinstance(each, Enrolled)
        assert (each.kid, each.is_new) == (key.kid, True)
    assert await find_agent_key(pool, keys[2].kid) is None
    again = await desk.register(keys[0])
    assert not again.is_new
    assert await agents(pool) == 3


async def test_nobody_waits_for_ever_for_a_statement_to_begin(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind statements that hang, whoever waits is told after a while that nothing was changed, and nothing was."""
    monkeypatch.setattr(enrolment_queue, "ACQUIRE_TIMEOUT", 0.3)
    desk, keys = Desk(pool, abreast=1), [Key(), Key(), Key()]
    with held(database_url):
        running = asyncio.create_task(desk.register(keys[0]))
        await blocked(database_url)
        late = await at_once([desk.register(key) for key in keys[1:]])
        assert all(isinstance(each, DatabaseUnavailable) for each in late)
    assert (await running).is_new
    assert await agents(pool) == 1
    assert (await desk.register(keys[1])).is_new, "the queue goes on"


async def test_postgres_killed_in_mid_statement(own_postgres: PostgresServer) -> None:
    """All who were in it hear that the database does not answer; asked again, each has one agent."""
    url = own_postgres.create_database()
    keys = [Key() for _ in range(20)]
    async with migrated(url) as pool:
        desk = Desk(pool)
        with suppress(psycopg.OperationalError), held(url):  # whose connection is gone, too
            tasks = [asyncio.create_task(desk.register(key)) for key in keys]
            await blocked(url)
            own_postgres.kill()
        assert all(isinstance(each, DatabaseUnavailable) for each in await at_once(tasks))
        assert isinstance((await at_once([desk.register(keys[0])]))[0], DatabaseUnavailable)
        own_postgres.start()
        enrolled = await asyncio.gather(*map(desk.register, keys))
        assert len({each.uid for each in enrolled}) == await agents(pool) == 20


async def test_who_brings_a_transaction_is_enrolled_in_it(pool: Pool) -> None:
    """An enrolment token is used together with what it allows: taken back with the rest, the key was never seen."""
    desk, key = Desk(pool), Key()
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        found = await desk.queue.enrol(connection, "a" * 24, NewKey(key.kid, key.jwk, SOMEBODY))
        assert found is not None
        assert found.is_new
        await transaction.rollback()
    assert await find_agent_key(pool, key.kid) is None
    assert await agents(pool) == 0
