"""Whoever changes the trail behind the service's back is caught, and the place is named.

The service's own role is refused by the triggers. A superuser can switch those off; what he does then shows when
somebody walks the chain. One thing shows only to who noted a head elsewhere: a chain that was made anew as a whole,
its head with it.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]
import pytest

from audit_trail import copied, event, sealed_database, sealer, write
from records import Seen
from stores import PostgresServer
from vestry_registrar.audit.chain import Head, link
from vestry_registrar.audit.trail import entries, verify
from vestry_registrar.repository import audit
from vestry_registrar.repository.audit import EVENT, written
from vestry_service.postgres import Connection, Pool, open_pool

COUNT = 9
MIDDLE = 5
ANEW = "the chain was made anew, here or before"
OTHER = {
    "id": "id + 1000",
    "at": "at + interval '1 microsecond'",
    "event": "event || 'x'",
    "uid": "NULL",
    "kid": "reverse(kid)",
    "actor_kind": "'operator'",
    "actor": "actor || ' '",
    "client_ip": "''",
    "request_id": "''",
    "details": "details || '{\"number\": 5.0}'",
}
"""Another value of every column, as near to the old one as can be: null for text, 5.0 for 5."""


@pytest.fixture(scope="module")
def sealed(postgres: PostgresServer) -> Iterator[str]:
    """A database with a sealed trail, which nobody changes."""
    url = sealed_database(postgres, COUNT)
    yield url
    postgres.drop_database(url)


@pytest.fixture
async def pool(postgres: PostgresServer, sealed: str) -> AsyncIterator[Pool]:
    """A copy of it, to be tampered with."""
    with copied(postgres, sealed) as url:
        async with open_pool(url) as pool:
            yield pool


@asynccontextmanager
async def superuser(pool: Pool) -> AsyncIterator[Connection]:
    """A connection that no trigger stops."""
    async with pool.acquire() as connection:
        await connection.execute("SET session_replication_role = replica")
        yield connection
        await connection.execute("RESET session_replication_role")


async def found(pool: Pool, *statements: str, noted: Head | None = None) -> str:
    """Tamper, and return what a walk then says."""
    async with superuser(pool) as connection:
        for statement in statements:
            assert await connection.execute(statement) not in ("UPDATE 0", "DELETE 0"), statement
    verdict = await (verify(pool) if noted is None else verify(pool, noted))
    assert verdict.broken is not None
    return verdict.broken


async def test_the_columns_edited_here_are_all_there_are(pool: Pool) -> None:
    """A column that comes later has to be edited here too."""
    columns = await pool.fetch(
        "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'audit_events'"
    )
    assert {row["name"] for row in columns} == set(OTHER)


@pytest.mark.parametrize("number", [1, MIDDLE, COUNT])
@pytest.mark.parametrize("column", OTHER)
async def test_an_edit_of_any_column_is_found(pool: Pool, column: str, number: int) -> None:
    """In the first, a middle and the last event; the walk names that one."""
    told = await found(pool, f"UPDATE audit_events SET {column} = {OTHER[column]} WHERE id = {number}")
    what = "its event is gone" if column == "id" else "the event, or its hash, was changed"
    assert told == f"link {number} (event {number}): {what}"


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("'infinity'", 2),
        ("'10000-01-01'", 3),
        ("'0044-03-15 BC'", 4),
        ("at AT TIME ZONE 'Asia/Kathmandu'", 5),
    ],
)
async def test_times_that_python_has_no_room_for_are_edits_too(pool: Pool, value: str, number: int) -> None:
    """The walk does not stumble over them."""
    told = await found(pool, f"UPDATE audit_events SET at = {value} WHERE id = {number}")
    assert told.startswith(f"link {number} ")


@pytest.mark.parametrize(
    "value",
    ["'[]'", "'null'", "'5'", "repeat('[', 2000)::text || repeat(']', 2000)", "repeat('7', 6000)", "'1e-300'",
     "'{\"number\": 5.00000000000000000000000000000000000001}'"],
)  # fmt: skip
async def test_details_of_any_form_are_edits_too(pool: Pool, value: str) -> None:
    """Neither deep nesting nor a number of thousands of digits stops the walk, and no digit is too small to count."""
    told = await found(pool, f"UPDATE audit_events SET details = ({value})::jsonb WHERE id = {MIDDLE + 1}")
    assert told == f"link {MIDDLE + 1} (event {MIDDLE + 1}): the event, or its hash, was changed"


@pytest.mark.parametrize("number", [1, MIDDLE, COUNT])
async def test_a_deleted_event_is_found(pool: Pool, number: int) -> None:
    """First, middle, last."""
    told = await found(pool, f"DELETE FROM audit_events WHERE id = {number}")
    assert told == f"link {number} (event {number}): its event is gone"


@pytest.mark.parametrize("number", [1, MIDDLE, COUNT])
async def test_a_deleted_link_is_found(pool: Pool, number: int) -> None:
    """First, middle, last; with its event or without."""
    link_too = f"DELETE FROM audit_chain WHERE seq = {number}"
    told = await found(pool, link_too)
    assert told.startswith(f"link {number} is missing")
    again = await found(pool, f"DELETE FROM audit_events WHERE id = {number}")
    assert again == told


@pytest.mark.parametrize(
    ("column", "value"), [("event_id", "event_id + 1000"), ("previous", "hash"), ("hash", "previous")]
)
@pytest.mark.parametrize("number", [1, MIDDLE, COUNT])
async def test_an_edited_link_is_found(pool: Pool, column: str, value: str, number: int) -> None:
    """Every column of the chain, in the first, a middle and the last link."""
    told = await found(pool, f"UPDATE audit_chain SET {column} = {value} WHERE seq = {number}")
    assert told.startswith(f"link {number} ")


async def test_a_link_with_another_number_is_found(pool: Pool) -> None:
    """It is missing where it was."""
    told = await found(pool, f"UPDATE audit_chain SET seq = 1000 WHERE seq = {MIDDLE}")
    assert told == f"link {MIDDLE} is missing: link {MIDDLE + 1} stands in its place"


async def test_a_tail_that_was_cut_is_found(pool: Pool) -> None:
    """Events and links from a place on: the head knows that there was more."""
    told = await found(
        pool,
        f"DELETE FROM audit_events WHERE id >= {MIDDLE}",
        f"DELETE FROM audit_chain WHERE event_id >= {MIDDLE}",
    )
    assert told == f"link {MIDDLE} is missing: the chain went on to link {COUNT}"


async def test_everything_gone_is_found(pool: Pool) -> None:
    """An empty trail beside a head."""
    told = await found(pool, "TRUNCATE audit_events, audit_chain")
    assert told == f"link 1 is missing: the chain went on to link {COUNT}"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM audit_head", "the head of the chain is gone"),
        ("UPDATE audit_head SET hash = previous FROM audit_chain c WHERE c.seq = 9", f"link {COUNT}: the head of "),
        ("UPDATE audit_head SET seq = seq + 1", f"link {COUNT + 1} is missing: the chain went on to link "),
        ("UPDATE audit_head SET seq = seq - 1", f"link {COUNT}: it stands behind the head of the chain"),
    ],
)  # fmt: skip
async def test_an_edited_head_is_found(pool: Pool, statement: str, expected: str) -> None:
    """Gone, with another hash, too far, not far enough."""
    assert (await found(pool, statement)).startswith(expected)


async def test_two_events_with_their_contents_exchanged_are_found(pool: Pool) -> None:
    """Each stands where the other was; nothing is new, and the first of them is named."""
    names = ", ".join(name for name in OTHER if name != "id")
    told = await found(
        pool,
        "CREATE TABLE two AS SELECT * FROM audit_events WHERE id IN (3, 7)",
        f"UPDATE audit_events e SET ({names}) = (SELECT {names} FROM two WHERE id = 10 - e.id) WHERE id IN (3, 7)",
    )
    assert told.startswith("link 3 (event 3)")


async def test_two_events_that_changed_numbers_are_found(pool: Pool) -> None:
    """The same by their numbers alone."""
    told = await found(
        pool,
        "ALTER TABLE audit_events DROP CONSTRAINT audit_events_pkey",
        "UPDATE audit_events SET id = 10 - id WHERE id IN (3, 7)",
    )
    assert told.startswith("link 3 (event 3)")


async def test_two_links_that_changed_events_are_found(pool: Pool) -> None:
    """The same from the side of the chain."""
    told = await found(
        pool,
        "ALTER TABLE audit_chain DROP CONSTRAINT audit_chain_on_event_id",
        "UPDATE audit_chain SET event_id = 10 - event_id WHERE event_id IN (3, 7)",
    )
    assert told.startswith("link 3 (event 7)")


async def test_an_event_slipped_in_is_found(pool: Pool) -> None:
    """With a number that the sealer has passed: no link holds it, and none will."""
    await pool.execute("SELECT setval('audit_events_id_seq', 20)")
    async with superuser(pool) as connection:
        await audit.add(connection, event())
        await sealer(pool).seal()
        await sealer(pool).seal()
    columns = "at, event, uid, kid, actor_kind, actor"
    told = await found(
        pool,
        f"INSERT INTO audit_events (id, {columns}) SELECT 15, {columns} FROM audit_events WHERE id = 3",
    )
    assert told == "event 15: it is in no link of the chain"


async def test_a_forged_link_is_found(pool: Pool) -> None:
    """Rightly computed, for an event that never was, behind the end: the head does not know it."""
    async with superuser(pool) as connection:
        await audit.add(connection, event(1000))
        row = await connection.fetchrow(f"SELECT {EVENT} FROM audit_events e ORDER BY id DESC LIMIT 1")
        forged = link((await verify(pool)).head, written(row))
        values = forged.seq, forged.event_id, forged.previous, forged.hash
        await connection.execute("INSERT INTO audit_chain VALUES ($1, $2, $3, $4)", *values)
    assert (await verify(pool)).broken == f"link {COUNT + 1}: it stands behind the head of the chain"


async def remade(pool: Pool, first: int) -> None:
    """Change an event and compute every hash from there on anew, and the head: what only a noted head shows."""
    async with superuser(pool) as connection:
        await connection.execute(f"UPDATE audit_events SET actor = 'somebody else' WHERE id = {first}")
        rows = await connection.fetch(f"SELECT {EVENT} FROM audit_events e WHERE id >= {first} ORDER BY id")
        previous = await connection.fetchval("SELECT previous FROM audit_chain WHERE seq = $1", first)
        end = Head(first - 1, previous)
        for row in rows:
            made = link(end, written(row))
            end = Head(made.seq, made.hash)
            await connection.execute(
                "UPDATE audit_chain SET previous = $2, hash = $3 WHERE seq = $1",
                *(made.seq, made.previous, made.hash),
            )
        await connection.execute("UPDATE audit_head SET hash = $1", end.hash)


@pytest.mark.parametrize("first", [1, MIDDLE, COUNT])
async def test_a_chain_made_anew_shows_to_who_noted_a_head(pool: Pool, first: int) -> None:
    """In itself it is whole: nothing in a database can prove what somebody who owns all of it has changed."""
    noted = (await verify(pool)).head
    await remade(pool, first)
    assert (await verify(pool)).broken is None
    told = (await verify(pool, noted)).broken
    assert told == f"link {COUNT} (event {COUNT}): its hash is not the noted one: {ANEW}"


async def test_a_head_from_before_the_change_says_nothing_of_it(pool: Pool) -> None:
    """What was made anew behind the noted place is not seen: note heads often."""
    noted = [Head(made.seq, made.hash) async for made, _ in entries(pool)]
    await remade(pool, MIDDLE)
    assert [(await verify(pool, head)).broken is None for head in noted] == [True] * 4 + [False] * 5


async def test_a_cut_with_the_head_moved_back_shows_to_who_noted_a_head(pool: Pool) -> None:
    """The tail is gone and the head says so: only a later head that was noted tells."""
    noted = (await verify(pool)).head
    async with superuser(pool) as connection:
        await connection.execute(f"DELETE FROM audit_chain WHERE seq > {MIDDLE}")
        await connection.execute(f"DELETE FROM audit_events WHERE id > {MIDDLE}")
        await connection.execute(
            "UPDATE audit_head h SET seq = c.seq, hash = c.hash FROM audit_chain c WHERE c.seq = 5"
        )
    assert (await verify(pool)).broken is None
    told = (await verify(pool, noted)).broken
    assert told == f"link {MIDDLE + 1} is missing: the chain went on to link {COUNT}"


async def test_a_registrar_that_runs_notices_a_chain_made_anew(pool: Pool) -> None:
    """It knows the head that it saw last, and tells the log, once, when the chain no longer has it."""
    seen = Seen()
    own = sealer(pool, seen)
    await own.seal()
    noted = (await verify(pool)).head
    await remade(pool, MIDDLE)
    await write(pool, 1)
    await own.seal()
    await own.seal()
    assert seen.events == ["audit_chain_changed", "audit_sealed"]
    assert seen.lines[0][1] == {"seq": COUNT, "hash": noted.hash.hex()}


@pytest.fixture
async def service(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of a role that is no superuser and owns the tables, as the service's does in a deployment."""
    tables = "audit_events", "audit_chain", "audit_head", "audit_gaps"
    async with pool.acquire() as connection:
        await connection.execute("CREATE ROLE audit_service")
        for table in tables:
            await connection.execute(f"ALTER TABLE {table} OWNER TO audit_service")
        await connection.execute("GRANT audit_service TO CURRENT_USER; SET ROLE audit_service")
        yield connection
        await connection.execute("RESET ROLE; REASSIGN OWNED BY audit_service TO CURRENT_USER")
        await connection.execute("DROP ROLE audit_service")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor = ''",
        "UPDATE audit_events SET actor = '' WHERE false",
        "DELETE FROM audit_events WHERE id = 1",
        "TRUNCATE audit_events",
        "INSERT INTO audit_events SELECT * FROM audit_events ON CONFLICT (id) DO UPDATE SET actor = ''",
        "UPDATE audit_chain SET seq = seq + 1",
        "DELETE FROM audit_chain",
        "TRUNCATE audit_chain",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
        "UPDATE audit_head SET seq = seq - 1",
        "UPDATE audit_head SET high = 0",
        "UPDATE audit_head SET hash = decode(repeat('00', 32), 'hex')",
        "SET session_replication_role = replica",
    ],
)
async def test_the_services_own_role_cannot(service: Connection, statement: str) -> None:
    """Triggers refuse it, and only a superuser may switch all triggers off for his session."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(statement)


async def test_the_services_own_role_can_write_and_seal(service: Connection) -> None:
    """What the service does every day needs no more than that role."""
    await audit.add(service, event())
    seal = "UPDATE audit_head SET seq = seq + 1, hash = decode(repeat('ab', 32), 'hex'), high = high + 1"
    assert await service.execute(seal) == "UPDATE 1"
