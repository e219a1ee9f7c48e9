"""What the tables refuse, and what the named statements give back."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg  # type: ignore[import-untyped]
import pytest

from records import NOW, SOMEBODY, Key, by, coming, migrated
from vestry_registrar.enrolment import register_agent, register_tool
from vestry_registrar.lifecycle import rotate
from vestry_registrar.repository import memory_marks
from vestry_registrar.repository.agents import find_pair
from vestry_registrar.repository.edge import UidCollision, edge
from vestry_registrar.repository.keys import published_keys
from vestry_registrar.repository.memory_marks import KnownStore
from vestry_registrar.repository.pairs import Pair
from vestry_service.errors import KeyTaken
from vestry_service.postgres import Pool

HEX, KID, OTHER_KID = "a" * 24, "K" * 43, "L" * 43


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as pool:
        await pool.execute(f"INSERT INTO agents VALUES (101, '{HEX}', now(), now())")
        await pool.execute(f"INSERT INTO tools VALUES (102, '{HEX}', now(), now())")
        await pool.execute(key_of("agent_id, kid", f"101, '{KID}'"))
        yield pool


def key_of(columns: str, values: str) -> str:
    return f"INSERT INTO public_jwks ({columns}, created_at, updated_at) VALUES ({values}, now(), now())"


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (f"INSERT INTO agents VALUES (1, 'agent-{HEX}', now(), now())", "agents_uid_is_hex"),
        (f"INSERT INTO tools VALUES (1, '{HEX.upper()}', now(), now())", "tools_uid_is_hex"),
        ("UPDATE agents SET state = 'gone'", "agents_state_is_known"),
        ("UPDATE agents SET version = 0", "agents_version_is_positive"),
        ("UPDATE public_jwks SET state = 'gone'", "public_jwks_state_is_known"),
        ("UPDATE public_jwks SET value = '[]'", "public_jwks_value_is_an_object"),
        ("UPDATE public_jwks SET kid = kid || '='", "public_jwks_kid_is_a_thumbprint"),
        ("UPDATE public_jwks SET tool_id = 102", "public_jwks_has_one_owner"),
        ("UPDATE public_jwks SET agent_id = NULL", "public_jwks_has_one_owner"),
        ("UPDATE public_jwks SET agent_id = 1", "public_jwks_agent_id_foreign"),
        (key_of("tool_id, kid", f"1, '{OTHER_KID}'"), "public_jwks_tool_id_foreign"),
        ("DELETE FROM agents", "public_jwks_agent_id_foreign"),
        ("INSERT INTO memory_mark VALUES ('', false, 0, 0, 'ajar', '')", "memory_mark_phase_is_known"),
    ],
)
async def test_what_no_row_may_be(pool: Pool, statement: str, constraint: str) -> None:
    """The tables themselves refuse it, and name the rule; such an error is a mistake of ours and stays itself."""
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        async with edge(pool) as sql:
            await sql.execute(statement)
    assert refused.value.constraint_name == constraint


@pytest.mark.parametrize(
    ("statement", "meaning"),
    [
        (key_of("agent_id, kid", f"101, '{KID}'"), KeyTaken),
        (key_of("tool_id, kid", f"102, '{KID}'"), KeyTaken),
        (f"INSERT INTO agents VALUES (1, '{HEX}', now(), now())", UidCollision),
        (f"INSERT INTO tools VALUES (1, '{HEX}', now(), now())", UidCollision),
    ],
)
async def test_what_there_may_be_once(pool: Pool, statement: str, meaning: type[Exception]) -> None:
    """A kid over agents and tools together, a uid among its own kind: the rule's name tells which it was."""
    with pytest.raises(meaning):
        async with edge(pool) as sql:
            await sql.execute(statement)


async def test_a_pair_is_found_in_any_state(pool: Pool) -> None:
    """Active, revoked, suspended: what counts is the worse of the two, and a revoked key is never but suspended."""
    old, new = Key(), Key()
    uid = (await register_agent(pool, old.jwk, old.kid, SOMEBODY)).uid
    await rotate(pool, by(uid, old.kid), coming(new))
    await pool.execute("UPDATE agents SET state = 'suspended'")
    gone, come = await find_pair(pool, uid, old.kid), await find_pair(pool, uid, new.kid)
    assert gone == Pair(uid, old.kid, {**old.jwk, "kid": old.kid}, 2, "suspended", "revoked")
    assert come == Pair(uid, new.kid, {**new.jwk, "kid": new.kid}, 2, "suspended", "active")
    assert (gone.state, come.state) == ("revoked", "suspended")


async def test_what_does_not_belong_together_is_no_pair(pool: Pool) -> None:
    """Another's kid, a tool's, and a uid that is not written as it must be: nothing is found."""
    mine, others, tools = Key(), Key(), Key()
    uid = (await register_agent(pool, mine.jwk, mine.kid, SOMEBODY)).uid
    await register_agent(pool, others.jwk, others.kid, SOMEBODY)
    tool = (await register_tool(pool, tools.jwk, tools.kid, SOMEBODY)).uid
    assert await find_pair(pool, uid, others.kid) is None
    assert await find_pair(pool, tool, tools.kid) is None
    assert await find_pair(pool, "agent-" + tool.removeprefix("tool-"), tools.kid) is None
    assert await find_pair(pool, uid.removeprefix("agent-"), mine.kid) is None


async def test_of_a_key_that_is_stored_which_tells_it_from_others(pool: Pool) -> None:
    """What all keys have in common is not stored and always read; an older row, which has it, is read alike."""
    key = Key()
    enrolled = await register_agent(pool, key.jwk, key.kid, SOMEBODY)
    assert await pool.fetchval("SELECT value::text FROM public_jwks WHERE kid = $1", key.kid) == (
        f'{{"x": "{key.x}"}}'
    )
    whole = {**key.jwk, "kid": key.kid}
    assert await published_keys(pool, enrolled.uid, NOW) == [whole] == [enrolled.jwk]
    await pool.execute(
        "UPDATE public_jwks SET value = $1::text::jsonb WHERE kid = $2", json.dumps(whole), key.kid
    )
    assert await published_keys(pool, enrolled.uid, NOW) == [whole]
    assert (await register_agent(pool, key.jwk, key.kid, SOMEBODY)).record == enrolled.record


async def test_a_directory_shows_the_active_keys_alone(pool: Pool) -> None:
    """The oldest first, each with its kid; an agent without any has an empty one, and no agent has none at all."""
    old, new = Key(), Key()
    uid = (await register_agent(pool, old.jwk, old.kid, SOMEBODY)).uid
    assert await published_keys(pool, uid, NOW) == [{**old.jwk, "kid": old.kid}]
    await rotate(pool, by(uid, old.kid), coming(new))
    assert await published_keys(pool, uid, NOW) == [{**new.jwk, "kid": new.kid}]
    await pool.execute("UPDATE public_jwks SET state = 'revoked'")
    assert await published_keys(pool, uid, NOW) == []
    assert await published_keys(pool, "agent-" + "0" * 24, NOW) is None
    assert await published_keys(pool, "tool-" + HEX, NOW) is None


async def test_one_store_is_known_at_a_time(pool: Pool) -> None:
    """What is put replaces what was known; before the first there is none."""
    assert await memory_marks.find(pool) is None
    for known in (KnownStore("one", False, 0, 7, "open"), KnownStore("two", True, 5, 0, "begun")):
        await memory_marks.put(pool, known)
        assert await memory_marks.find(pool) == known


async def test_the_nodes_of_a_cluster_are_known_each_by_itself(pool: Pool) -> None:
    """Who holds nothing any more is forgotten; and what was once open is not the first store any more."""
    assert await memory_marks.none_was_open(pool)
    assert await memory_marks.are_open(pool, ["anything"])
    one, two = KnownStore("run-1", False, 0, 0, "shut"), KnownStore("run-2", False, 0, 0, "begun")
    await memory_marks.put(pool, one, "node-1")
    await memory_marks.put(pool, two, "node-2")
    assert await memory_marks.none_was_open(pool)
    assert not await memory_marks.are_open(pool, ["run-1"])
    await memory_marks.put(pool, replace(one, phase="open"), "node-1")
    assert not await memory_marks.none_was_open(pool)
    assert await memory_marks.are_open(pool, ["run-1"])
    assert not await memory_marks.are_open(pool, ["run-1", "run-2"])
    await memory_marks.forget_others(pool, ["node-2", "node-3"])
    assert await memory_marks.find(pool, "node-1") is None
    assert await memory_marks.find(pool, "node-2") == two
    assert await memory_marks.find(pool) is None
