"""A rotation puts one new key in the place of one old one, whoever else tries the same at that moment."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from records import NOW, SOMEBODY, Key, by, coming, migrated
from vestry_registrar.enrolment import register_agent, register_tool
from vestry_registrar.lifecycle import Rotated, rotate
from vestry_registrar.repository.agents import find_pair
from vestry_registrar.repository.keys import published_keys
from vestry_service.errors import KeyInUse, KeyRevoked, KeyTaken
from vestry_service.postgres import Pool
from vestry_signatures.errors import DatabaseUnavailable, RevokedKey, SuspendedAgent, UnknownKey

END_THOSE_THAT_WAIT = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as pool:
        yield pool


async def new_agent(pool: Pool, key: Key) -> str:
    return (await register_agent(pool, key.jwk, key.kid, SOMEBODY)).uid


async def state_of_everything(pool: Pool) -> list[object]:
    """All that a rotation could change."""
    statements = (
        "SELECT uid, version, state, updated_at FROM agents ORDER BY id",
        "SELECT kid, state, agent_id, updated_at FROM public_jwks ORDER BY id",
        "SELECT agent_id, version FROM outbox ORDER BY id",
    )
    return [[tuple(row) for row in await pool.fetch(statement)] for statement in statements]


async def test_a_rotation_changes_both_keys_and_says_so(pool: Pool) -> None:
    """The new key is active, the old one is not, the version is higher, and the outbox carries that version."""
    old, new = Key(), Key()
    uid = await new_agent(pool, old)
    rotated = await rotate(pool, by(uid, old.kid), coming(new))
    assert rotated == Rotated(uid, new.kid, {**new.jwk, "kid": new.kid}, rotated.outbox_id)
    gone, come = await find_pair(pool, uid, old.kid), await find_pair(pool, uid, new.kid)
    assert gone is not None
    assert come is not None
    assert (gone.state, come.state, gone.version, come.version) == ("revoked", "active", 2, 2)
    assert await published_keys(pool, uid, NOW) == [rotated.jwk]
    assert await pool.fetch("SELECT id, version FROM outbox") == [(rotated.outbox_id, 2)]


@pytest.mark.parametrize(
    ("which", "refusal"),
    [("current", KeyInUse), ("own_revoked", KeyRevoked), ("agents", KeyTaken), ("tools", KeyTaken)],
)
async def test_a_refused_rotation_changes_nothing(pool: Pool, which: str, refusal: type[Exception]) -> None:
    """To the key in use, to one's own revoked key, to another's: refused, with everything as it was."""
    keys = {name: Key() for name in ("own_revoked", "current", "agents", "tools")}
    uid = await new_agent(pool, keys["own_revoked"])
    current = keys["current"]
    await rotate(pool, by(uid, keys["own_revoked"].kid), coming(current))
    await new_agent(pool, keys["agents"])
    await register_tool(pool, keys["tools"].jwk, keys["tools"].kid, SOMEBODY)
    before = await state_of_everything(pool)
    with pytest.raises(refusal):
        await rotate(pool, by(uid, current.kid), coming(keys[which]))
    assert await state_of_everything(pool) == before


async def test_a_key_out_of_use_is_told_so_first(pool: Pool) -> None:
    """A revoked key learns nothing about other keys: REVOKED_KEY, whatever the new one is."""
    old, new = Key(), Key()
    uid = await new_agent(pool, old)
    await rotate(pool, by(uid, old.kid), coming(new))
    for target in (old, new, Key()):
        with pytest.raises(RevokedKey):
            await rotate(pool, by(uid, old.kid), coming(target))


async def test_anothers_key_rotates_nothing(pool: Pool) -> None:
    """The old key must be the very agent's: a key of another agent, or of a tool, is unknown here."""
    mine, others, tools = Key(), Key(), Key()
    uid = await new_agent(pool, mine)
    await new_agent(pool, others)
    await register_tool(pool, tools.jwk, tools.kid, SOMEBODY)
    for key in (others, tools):
        with pytest.raises(UnknownKey):
            await rotate(pool, by(uid, key.kid), coming(Key()))
    with pytest.raises(UnknownKey):
        await rotate(pool, by(uid.removeprefix("agent-"), mine.kid), coming(Key()))


async def test_ten_at_once_from_one_key(pool: Pool) -> None:
    """Exactly one wins and the others get REVOKED_KEY; whoever looks meanwhile always sees exactly one active key."""
    old, targets = Key(), [Key() for _ in range(10)]
    uid = await new_agent(pool, old)
    seen: set[int] = set()
    done = asyncio.Event()

    async def observe() -> None:
        while not done.is_set():
            seen.add(len(await published_keys(pool, uid, NOW) or []))

    observers = [asyncio.create_task(observe()) for _ in range(2)]
    results = await asyncio.gather(
        *(rotate(pool, by(uid, old.kid), coming(key)) for key in targets), return_exceptions=True
    )
    done.set()
    await asyncio.gather(*observers)
    [won] = [result for result in results if isinstance(result, Rotated)]
    assert sum(isinstance(result, RevokedKey) for result in results) == 9
    assert seen == {1}
    assert [key["kid"] for key in await published_keys(pool, uid, NOW) or []] == [won.kid]
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 1


async def test_two_agents_at_once_to_one_new_key(pool: Pool) -> None:
    """One agent gets the key; the other is told that it is taken, and keeps its own."""
    for _ in range(10):
        olds, new = [Key(), Key()], Key()
        uids = [await new_agent(pool, old) for old in olds]
        results = await asyncio.gather(
            *(rotate(pool, by(uid, old.kid), coming(new)) for uid, old in zip(uids, olds, strict=True)),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in results) == ["KeyTaken", "Rotated"]
        assert [len(await published_keys(pool, uid, NOW) or []) for uid in uids] == [1, 1]


async def test_many_agents_at_once_to_one_new_key(pool: Pool) -> None:
    """One of them gets it and all others are told that it is taken: no two wait for each other in a ring."""
    keys = [Key() for _ in range(8)]
    uids = [await new_agent(pool, key) for key in keys]
    for _ in range(12):
        new = Key()
        results = await asyncio.gather(
            *(rotate(pool, by(uid, key.kid), coming(new)) for uid, key in zip(uids, keys, strict=True)),
            return_exceptions=True,
        )
        assert sorted(type(each).__name__ for each in results) == ["KeyTaken"] * 7 + ["Rotated"]
        [winner] = [place for place, each in enumerate(results) if not isinstance(each, KeyTaken)]
        keys[winner] = new


async def test_two_agents_at_once_to_each_others_key(pool: Pool) -> None:
    """Both are refused, and neither waits for the other for ever."""
    one, two = Key(), Key()
    first, second = await new_agent(pool, one), await new_agent(pool, two)
    results = await asyncio.gather(
        rotate(pool, by(first, one.kid), coming(two)),
        rotate(pool, by(second, two.kid), coming(one)),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [KeyTaken, KeyTaken]


async def test_rotation_and_registration_at_once_with_one_new_key(pool: Pool) -> None:
    """The key has one owner afterwards: the new agent or the rotated one."""
    for _ in range(10):
        old, new = Key(), Key()
        uid = await new_agent(pool, old)
        rotated, enrolled = await asyncio.gather(
            rotate(pool, by(uid, old.kid), coming(new)),
            register_agent(pool, new.jwk, new.kid, SOMEBODY),
            return_exceptions=True,
        )
        if isinstance(rotated, KeyTaken):
            assert enrolled.is_new
        else:
            assert (rotated.uid, enrolled.uid, enrolled.is_new) == (uid, uid, False)


async def test_a_rotation_waits_for_whoever_changes_its_agent(pool: Pool) -> None:
    """An agent that is being suspended when its rotation arrives is suspended, and nothing is rotated."""
    old, new = Key(), Key()
    uid = await new_agent(pool, old)
    async with pool.acquire() as other, other.transaction():
        await other.execute("UPDATE agents SET state = 'suspended', version = version + 1")
        rotation = asyncio.create_task(rotate(pool, by(uid, old.kid), coming(new)))
        async with asyncio.timeout(10):
            while not await other.fetch("SELECT FROM pg_locks WHERE NOT granted"):
                pass
    with pytest.raises(SuspendedAgent):
        await rotation
    states = await pool.fetch("SELECT kid, state FROM public_jwks")
    assert states == [(old.kid, "active")]


async def test_a_database_that_goes_away_changes_nothing(pool: Pool) -> None:
    """A connection that breaks in the middle is DatabaseUnavailable, and the old key is still in use."""
    old, new = Key(), Key()
    uid = await new_agent(pool, old)
    async with pool.acquire() as blocker, blocker.transaction():
        await blocker.execute("SELECT FROM agents FOR UPDATE")
        rotation = asyncio.create_task(rotate(pool, by(uid, old.kid), coming(new)))
        async with asyncio.timeout(10):
            while not await blocker.fetch(END_THOSE_THAT_WAIT):
                pass
        with pytest.raises(DatabaseUnavailable):
            await rotation
    assert [key["kid"] for key in await published_keys(pool, uid, NOW) or []] == [old.kid]
