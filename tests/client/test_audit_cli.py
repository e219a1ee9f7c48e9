"""`vestry audit`: what it prints, and the code it ends with."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from audit_trail import copied, sealer
from records import NOW, Key, coming, migrated
from stores import PostgresServer
from vestry.cli import main
from vestry.embedded import DataDir, Postgres
from vestry_registrar.audit.event import Actor, Event, Origin
from vestry_registrar.enrolment import register_agent
from vestry_registrar.lifecycle import Signer, rotate
from vestry_registrar.repository import audit as trail

FIRST, SECOND = Key(), Key()
BY_ITSELF = Origin(Actor("key", FIRST.kid), "192.0.2.7", "request-1")
BY_AGENT = Origin(Actor("agent", FIRST.kid), "192.0.2.8", "request-2")
BY_ALICE = Origin(Actor("operator", "alice"))


async def _story(url: str) -> str:
    """An agent registers, rotates, and is suspended: three events, all sealed. Returns its uid."""
    async with migrated(url) as pool:
        uid = (await register_agent(pool, FIRST.jwk, FIRST.kid, BY_ITSELF)).uid
        await rotate(pool, Signer(uid, FIRST.kid, BY_AGENT, NOW), coming(SECOND))
        await trail.add(pool, Event("agent.suspended", BY_ALICE, uid, None, {"reason": "stolen\x1b[2J"}))
        await sealer(pool).seal()
    return uid


@pytest.fixture(scope="module")
def story(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """The URL of a database with that story, and the agent's uid."""
    url = postgres.create_database()
    yield url, asyncio.run(_story(url))
    postgres.drop_database(url)


@pytest.fixture
def url(story: tuple[str, str]) -> str:
    return story[0]


@pytest.fixture
def uid(story: tuple[str, str]) -> str:
    return story[1]


def audit(*words: str, **environ: str) -> Result:
    given = {"DATABASE_URL": None, "DATABASE_URL_FILE": None, "DATA_DIR": None, **environ}
    return CliRunner().invoke(main, ["audit", *words], env=given)


def tamper(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        assert connection.execute(statement).rowcount


def test_a_whole_chain_gives_its_head(url: str) -> None:
    """Alone on standard output, so that it can be kept; and it is what the next call takes."""
    told = audit("verify", DATABASE_URL=url)
    assert (told.exit_code, told.stderr) == (0, "")
    seq, _, digest = told.stdout.strip().partition(":")
    assert (seq, len(digest)) == ("3", 64)
    assert audit("verify", "--head", told.stdout, DATABASE_URL=url).exit_code == 0


def test_a_break_is_named_and_gives_1(postgres: PostgresServer, url: str) -> None:
    """On standard error; nothing that could be taken for a head is printed."""
    with copied(postgres, url) as copy:
        tamper(copy, "UPDATE audit_events SET actor = 'bob' WHERE event = 'agent.suspended'")
        told = audit("verify", DATABASE_URL=copy)
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr == "broken at link 3 (event 3): the event, or its hash, was changed\n"


def test_another_head_than_the_noted_one_gives_1(url: str) -> None:
    """The chain is whole, and is not the one that was noted."""
    told = audit("verify", "--head", "2:" + "ab" * 32, DATABASE_URL=url)
    assert told.exit_code == 1
    assert told.stderr.startswith("broken at link 2 (event 2): its hash is not the noted one")


@pytest.mark.parametrize("head", ["", "3", "3:", "3:abcd", "-1:" + "00" * 32, "3:" + "zz" * 32])
def test_a_head_that_is_none_gives_2(url: str, head: str) -> None:
    """It is a mistake of the caller's, and no verdict."""
    told = audit("verify", "--head", head, DATABASE_URL=url)
    assert (told.exit_code, told.stdout) == (2, "")
    assert "SEQ:HASH" in told.stderr


def test_what_is_not_sealed_yet_is_told(postgres: PostgresServer, url: str) -> None:
    """It is no break; and it is not protected yet."""
    with copied(postgres, url) as copy:
        with psycopg.connect(copy) as connection:
            connection.execute(
                "INSERT INTO audit_events (event, actor_kind, actor) VALUES ('token.used', 'system', '')"
            )
        told = audit("verify", DATABASE_URL=copy)
    assert (told.exit_code, told.stderr) == (0, "not in the chain yet, so not protected: 1\n")


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({"DATABASE_URL": "postgresql://nobody:x@/none?host=/nowhere"}, "does not answer"),
        ({"DATABASE_URL": "mysql://host/db"}, "DATABASE_URL: must be postgresql://"),
        ({"DATA_DIR": "/nowhere"}, "/nowhere holds no database: set DATABASE_URL, or DATA_DIR"),
    ],
)
@pytest.mark.parametrize("words", [["verify"], ["export"], ["who", "agent-x"], ["tail", "agent-x"]])
def test_who_cannot_look_gives_2(words: list[str], environ: dict[str, str], line: str) -> None:
    """No traceback, and a code that means neither whole nor broken."""
    told = audit(*words, **environ)
    assert (told.exit_code, told.stdout) == (2, "")
    assert line in told.stderr


def test_a_database_without_a_trail_gives_2(database_url: str) -> None:
    """An older one, or somebody else's."""
    told = audit("verify", DATABASE_URL=database_url)
    assert told.exit_code == 2
    assert "vestry migrate" in told.stderr


def test_export_is_json_lines_that_chain(url: str) -> None:
    """One object a link, in order, each with the hash of the one before."""
    lines = [json.loads(line) for line in audit("export", DATABASE_URL=url).stdout.splitlines()]
    assert [line["event"] for line in lines] == ["agent.registered", "key.rotated", "agent.suspended"]
    assert [line["seq"] for line in lines] == [1, 2, 3]
    assert [line["previous"] for line in lines] == ["00" * 32, lines[0]["hash"], lines[1]["hash"]]
    assert lines[1]["details"] == {"old_kid": FIRST.kid}
    assert audit("verify", DATABASE_URL=url).stdout == f"3:{lines[2]['hash']}\n"
    later = audit("export", "--since", "2", DATABASE_URL=url).stdout
    assert [json.loads(line)["seq"] for line in later.splitlines()] == [3]


def test_an_event_that_is_gone_is_no_gap_in_the_export(postgres: PostgresServer, url: str) -> None:
    """Its link says so; nothing is left out in silence."""
    with copied(postgres, url) as copy:
        tamper(copy, "DELETE FROM audit_events WHERE id = 2")
        lines = [json.loads(line) for line in audit("export", DATABASE_URL=copy).stdout.splitlines()]
    assert (lines[1]["seq"], lines[1]["id"], lines[1]["event"]) == (2, 2, None)


def test_who_says_it_for_people(url: str, uid: str) -> None:
    """Who could sign, since when and by whose doing; what somebody typed moves no cursor."""
    told = audit("who", uid, DATABASE_URL=url)
    assert told.exit_code == 0, told.stderr
    lines = told.stdout.splitlines()
    assert "suspended, since " in lines[0]
    assert lines[0].endswith("agent.suspended by operator alice, reason: stolen?[2J")
    assert lines[1:3] == ["no key could sign", "2 keys could not:"]
    assert lines[3] == f"  {FIRST.kid}  revoked"
    assert lines[4].endswith("agent.registered by a key itself from 192.0.2.7, request request-1")
    assert lines[5].endswith(f"key.rotated by agent {FIRST.kid} from 192.0.2.8, request request-2")
    assert lines[6] == f"  {SECOND.kid}  active"


def test_who_says_it_at_any_time(url: str, uid: str) -> None:
    """In any form of the time: before, between and after the events."""
    story = [json.loads(line) for line in audit("export", DATABASE_URL=url).stdout.splitlines()]
    times = [datetime.fromisoformat(line["at"]) for line in story]

    def signers(at: str) -> list[str]:
        told = audit("who", uid, "--at", at, "--json", DATABASE_URL=url)
        assert told.exit_code == 0, told.stderr
        found: list[str] = json.loads(told.stdout)["could_sign"]
        return found

    assert signers((times[0] - timedelta(microseconds=1)).isoformat()) == []
    assert signers(story[0]["at"]) == [FIRST.kid]
    assert signers(times[1].replace(tzinfo=None).isoformat()) == [SECOND.kid]
    assert signers(times[1].astimezone().isoformat()) == [SECOND.kid]
    assert signers(str((times[0] - timedelta(seconds=1)).timestamp())) == []
    assert signers(str(int(times[2].timestamp()) + 1)) == []


@pytest.mark.parametrize("at", ["yesterday", "", "99999999999999999", "2026-13-01", "1.2.3"])
def test_a_time_that_is_none_gives_2(url: str, uid: str, at: str) -> None:
    """And says what one looks like."""
    told = audit("who", uid, "--at", at, DATABASE_URL=url)
    assert told.exit_code == 2
    assert "ISO 8601" in told.stderr


def test_of_an_unknown_uid_the_trail_knows_nothing(url: str) -> None:
    """That is an answer too."""
    told = audit("who", "agent-nobody", "--at", "2026-01-01", DATABASE_URL=url)
    assert (told.exit_code, told.stdout) == (
        0, "agent-nobody at 2026-01-01T00:00:00Z: the trail knows nothing of it\nno key could sign\n",
    )  # fmt: skip


def test_tail_prints_what_was_done_last(url: str, uid: str) -> None:
    """A line an event, for people or for programs."""
    told = audit("tail", uid, "-n", "2", DATABASE_URL=url)
    first, second = told.stdout.splitlines()
    assert f"key.rotated       {SECOND.kid}  by agent {FIRST.kid} from 192.0.2.8" in first
    assert second.endswith("by operator alice, reason: stolen?[2J")
    lines = audit("tail", uid, "--json", DATABASE_URL=url).stdout.splitlines()
    assert [json.loads(line)["event"] for line in lines] == [
        "agent.registered",
        "key.rotated",
        "agent.suspended",
    ]


def test_the_stack_in_data_dir_is_found_running_or_not(tmp_path: Path) -> None:
    """Beside a stack that runs, and when it is stopped; the data stays as it is, and nothing is left running."""
    with DataDir(tmp_path) as folder:
        postgres = Postgres(folder)
        postgres.start()
        try:
            uid = asyncio.run(_story(postgres.url))
            beside = audit("verify", DATA_DIR=str(tmp_path))
            assert postgres.running
        finally:
            postgres.stop()
    assert (beside.exit_code, beside.stderr) == (0, "")
    alone = audit("verify", DATA_DIR=str(tmp_path))
    assert (alone.exit_code, alone.stdout) == (0, beside.stdout)
    assert uid in audit("who", uid, DATA_DIR=str(tmp_path)).stdout
    DataDir(tmp_path, patience=0).close()


def test_a_stack_that_is_not_up_yet_is_told(tmp_path: Path) -> None:
    """Its folder is taken, and its Postgres does not listen."""
    with DataDir(tmp_path) as folder:
        (tmp_path / "postgres").mkdir()
        told = audit("verify", DATA_DIR=str(tmp_path))
        assert told.exit_code == 2
        assert "in use by another vestry" in told.stderr
        assert folder.lock


def test_now_is_the_time_that_is_meant(url: str, uid: str) -> None:
    """Without --at."""
    answer = json.loads(audit("who", uid, "--json", DATABASE_URL=url).stdout)
    assert abs(datetime.fromisoformat(answer["at"]) - datetime.now(UTC)) < timedelta(minutes=1)
