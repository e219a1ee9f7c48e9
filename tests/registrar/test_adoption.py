"""A database that the released vestauth server made and filled becomes ours: whole, or not at all."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from clients import need
from stores import PostgresServer
from vestauth_server import VestauthServer, adopt, dump, kid_of, poison_agent, poison_key, sql
from vestry_registrar.adoption.adopt import adopt as take_over
from vestry_registrar.adoption.errors import AdoptionError, NotEmpty, NotVestauth, StillInUse
from vestry_registrar.audit.history import replay
from vestry_registrar.migrate import NotAdopted, migrate
from vestry_registrar.repository.audit import events_of
from vestry_service.postgres import open_pool
from vestry_signatures import generate

DIE = """
import os, signal, sys
from vestry_registrar.adoption import adopt, aftermath, copying, in_place
place, name = sys.argv[1].split(".")
module = {"adopt": adopt, "in_place": in_place, "copying": copying}[place]
then = getattr(module, name)
def dying(*arguments):
    then(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(module, name, dying)
adopt.adopt(*sys.argv[2:])
"""


ADOPT = """
import sys
from vestry_registrar.adoption.adopt import adopt
print(*adopt(sys.argv[1], despite_connections=True).lines(), sep="\\n")
"""


class Made(NamedTuple):
    """What the real server made: its database, an agent that stayed as it was, one that rotated."""

    database: str
    uid: str
    kid: str
    rotated_uid: str
    old_kid: str
    new_kid: str


@pytest.fixture(scope="session")
def made(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A database of the real server, which has two agents and is not running any more."""
    name = "made_by_vestauth"
    folder = tmp_path_factory.mktemp("vestauth")
    server = VestauthServer(need("binary"), postgres.database_url(name), folder)
    server.set_up("db:create", "db:migrate")
    with server.running():
        plain, rotated = server.agent("plain"), server.agent("rotated")
        old_kid = kid_of(rotated)
        assert rotated.run("agent", "rotate").code == 0
    uids = plain.kept("AGENT_UID"), rotated.kept("AGENT_UID")
    return Made(name, uids[0], kid_of(plain), uids[1], old_kid, kid_of(rotated))


@pytest.fixture
def url(made: Made, postgres: PostgresServer) -> Iterator[str]:
    """A copy of that database for one test."""
    name = "vestauth_copy"
    with psycopg.connect(postgres.database_url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {made.database}")
    yield postgres.database_url(name)
    with psycopg.connect(postgres.database_url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def rows(url: str) -> list[tuple[object, ...]]:
    """Agents and keys as a vestauth server sees them."""
    return [
        *sql(url, "SELECT id, uid, created_at, updated_at FROM agents ORDER BY id"),
        *sql(
            url,
            "SELECT id, agent_id, kid, value - 'kid', state, created_at, updated_at FROM public_jwks ORDER BY id",
        ),
    ]


def schema(url: str) -> list[tuple[object, ...]]:
    """Columns, constraints and indexes of our tables."""
    ours = "('agents', 'public_jwks', 'tools', 'outbox', 'audit_events')"
    return [
        *sql(
            url,
            "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default "
            f"FROM information_schema.columns WHERE table_name IN {ours} ORDER BY 1, 2",
        ),
        *sql(
            url,
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
            f"WHERE conrelid::regclass::text IN {ours} ORDER BY 1, 2",
        ),
        *sql(url, f"SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN {ours} ORDER BY 1"),
    ]


def quarantine(url: str) -> list[tuple[str, str, list[str]]]:
    """Table, fate and reasons of what is kept apart."""
    return sql(url, "SELECT origin, fate, reasons FROM adoption_quarantine ORDER BY id")  # type: ignore[return-value]


def poison(url: str) -> int:
    """Add some of what must not be believed; return the number of an agent that has nothing else."""
    agent = poison_agent(url, "e" * 24)
    secret = generate()
    poison_key(url, agent, secret.jwk, secret.public.kid)
    poison_key(url, agent, generate().public.jwk, "made-up\x1b[31m")
    poison_agent(url, None)
    return agent


def test_what_the_server_made_is_taken_over_as_it_is(url: str, made: Made, database_url: str) -> None:
    """Uids, kids, states and times stay; the tables are then those that our migrations make, name by name."""
    before = rows(url)
    report = take_over(url)
    assert report.judgement is not None
    assert (report.mended, quarantine(url)) == ((), [])
    assert rows(url) == before
    states = dict(sql(url, "SELECT kid, state FROM public_jwks"))
    assert states == {made.kid: "active", made.new_kid: "active", made.old_kid: "revoked"}
    assert migrate(url) == 0
    migrate(database_url)
    assert schema(url) == schema(database_url)


def test_a_copy_says_the_same(url: str, database_url: str) -> None:
    """In another database the same rows stand, with their numbers and times; the source is left as it was."""
    before, source = rows(url), dump(url)
    take_over(url, database_url)
    assert rows(database_url) == before
    assert dump(url) == source


def test_a_dry_run_changes_nothing_and_says_what_would_be(url: str, database_url: str) -> None:
    """A whole dump of rows, rules and sequences is the same afterwards; the report is that of the real run."""
    poison(url)
    sql(url, "INSERT INTO agents VALUES (1000, repeat('f', 24), now(), now())")
    before, empty = dump(url), dump(database_url)
    told = adopt("--dry-run", DATABASE_URL=url)
    assert told.exit_code == 0, told.output
    assert adopt("--dry-run", "--into", database_url, DATABASE_URL=url).stdout == told.stdout
    assert dump(url) == before
    assert dump(database_url) == empty
    done = adopt(DATABASE_URL=url)
    assert done.stdout.splitlines()[:-1] == told.stdout.splitlines()[:-1]
    assert told.stdout.splitlines()[-1] == "dry run: nothing was changed"


@pytest.mark.parametrize("copied", [False, True], ids=["in place", "copied"])
def test_a_second_run_changes_nothing(url: str, database_url: str, copied: bool) -> None:
    """It says when the first one was, and nothing else happens, whatever became of the agents meanwhile."""
    poison(url)
    target = database_url if copied else url
    into = ["--into", database_url] if copied else []
    assert adopt(*into, DATABASE_URL=url).exit_code == 0
    sql(target, "UPDATE public_jwks SET state = 'revoked'")
    before, source = dump(target), dump(url)
    again = adopt(*into, DATABASE_URL=url)
    assert again.exit_code == 0
    assert "this was adopted before" in again.stdout
    assert (dump(target), dump(url)) == (before, source)


def test_the_report_names_what_is_not_believed(url: str, made: Made) -> None:
    """Every row with what is wrong, and no byte of it reaches a terminal as a command."""
    agent = poison(url)
    told = adopt("--database-url", url).stdout
    assert "found: agents 4, keys 5" in told
    assert "kept: agents 3, keys 4 (active 2, revoked 2)" in told
    assert "uid NULL: malformed-uid" in told
    assert r"kid made-up\x1b[31m, agent-" + "e" * 24 + ": kid-mismatch" in told
    assert "private-members" in told
    assert "(removed: d)" in told
    assert "agents without an active key, which cannot act:\n  agent-" + "e" * 24 in told
    assert made.uid not in told
    assert "\x1b" not in told
    assert sql(url, "SELECT count(*) FROM public_jwks WHERE agent_id = %s", agent) == [(1,)]


def test_what_is_not_believed_is_kept_apart_without_its_secrets(url: str, database_url: str) -> None:
    """The original row is in the quarantine, in place as in a copy; the private half is nowhere in the database."""
    agent = poison_agent(url, "e" * 24)
    secret, forged = generate(), generate()
    kept = poison_key(url, agent, secret.jwk, secret.public.kid)
    moved = poison_key(url, agent, {**forged.jwk, "note": "mine"}, "made-up", "odd")
    take_over(url, database_url)
    take_over(url)
    for target in (url, database_url):
        assert quarantine(target) == [
            ("public_jwks", "revoked", ["private-members"]),
            ("public_jwks", "moved", ["kid-mismatch", "private-members", "unknown-state", "other-members"]),
        ]
        [(original,)] = sql(target, "SELECT original FROM adoption_quarantine WHERE fate = 'moved'")
        assert (original["id"], original["agent_id"], original["kid"], original["state"]) == (
            moved, agent, "made-up", "odd",
        )  # fmt: skip
        assert original["value"] == {**forged.public.jwk, "note": "mine"}
        assert original["created_at"] == "2026-03-01 10:00:00+00"
        [(value, state, updated)] = sql(
            target, "SELECT value, state, updated_at FROM public_jwks WHERE id = %s", kept
        )
        assert (value, state) == ({n: secret.public.jwk[n] for n in ("kty", "crv", "x")}, "revoked")
        assert (datetime.now(UTC) - updated).total_seconds() < 60
        assert not any(key.jwk["d"] in dump(target) for key in (secret, forged))


def test_numbers_go_on_behind_those_that_were_written_by_hand(url: str, database_url: str) -> None:
    """Rows with numbers of their own do not stand in the way of the next registration."""
    sql(url, "INSERT INTO agents VALUES (1000, repeat('f', 24), now(), now())")
    take_over(url, database_url)
    take_over(url)
    for target in (url, database_url):
        assert sql(target, "SELECT nextval('agents_id_seq')") == [(1001,)]
        assert sql(target, "SELECT nextval('public_jwks_id_seq')") == [(4,)]


async def test_the_audit_trail_tells_of_everything(url: str, made: Made) -> None:
    """Every row has its event, and from then on the trail answers who could sign."""
    poison(url)
    take_over(url)
    told = sql(url, "SELECT event, count(*) FROM audit_events GROUP BY event ORDER BY event")
    assert told == [
        ("agent.adopted", 3), ("agent.quarantined", 1), ("database.adopted", 1),
        ("key.added", 2), ("key.quarantined", 1), ("key.revoked", 2),
    ]  # fmt: skip
    assert sql(url, "SELECT DISTINCT actor_kind, actor FROM audit_events") == [("system", "adopt")]
    async with open_pool(url) as pool:
        now = datetime.now(UTC)
        for uid, kids in (
            (made.uid, [made.kid]),
            (made.rotated_uid, [made.new_kid]),
            ("agent-" + "e" * 24, []),
        ):
            owner = replay(await events_of(pool, uid), now)
            assert [key.kid for key in owner.signers(now.timestamp())] == kids


def test_rules_that_somebody_dropped_are_mended(url: str, database_url: str) -> None:
    """Without its unique index a database may say a kid twice: neither is believed, and the rule comes back."""
    sql(
        url,
        "ALTER TABLE public_jwks DROP CONSTRAINT index_public_jwks_on_kid, "
        "DROP CONSTRAINT public_jwks_agent_id_foreign, ALTER kid DROP NOT NULL, ALTER state DROP DEFAULT",
    )
    sql(url, "CREATE UNIQUE INDEX index_public_jwks_on_kid ON public_jwks (id)")
    sql(url, "DROP INDEX index_public_jwks_on_agent_id")
    sql(url, "ALTER TABLE agents DROP CONSTRAINT index_agents_on_uid")
    agent, key = poison_agent(url, "e" * 24), generate()
    for owner in (agent, 1, 999):
        poison_key(url, owner, key.public.jwk, key.public.kid)
    report = take_over(url)
    assert set(report.mended) == {
        "index_agents_on_uid", "index_public_jwks_on_kid", "public_jwks_agent_id_foreign",
        "index_public_jwks_on_agent_id", "public_jwks.kid NOT NULL", "public_jwks.state DEFAULT",
    }  # fmt: skip
    assert [reasons for _, _, reasons in quarantine(url)] == [
        ["duplicate-key"], ["duplicate-key"], ["no-agent", "duplicate-key"],
    ]  # fmt: skip
    migrate(database_url)
    assert schema(url) == schema(database_url)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("DROP TABLE knex_migrations", "no table knex_migrations"),
        ("DROP TABLE public_jwks", "no table public_jwks"),
        ("ALTER TABLE public_jwks DROP COLUMN state", "public_jwks has no column state"),
        ("ALTER TABLE agents ADD COLUMN disabled boolean", "agents has a column 'disabled'"),
        ("ALTER TABLE public_jwks ALTER value TYPE text", "public_jwks.value is text"),
        ("ALTER SEQUENCE agents_id_seq RENAME TO other", "no sequence agents_id_seq"),
        (
            "INSERT INTO knex_migrations (name) VALUES ('20300101_later.js')",
            "20300101_later.js' is unknown here",
        ),
        ("DELETE FROM knex_migrations WHERE id = 2", "create_public_jwks_table.js' is not applied"),
    ],
)
def test_anything_else_is_refused_with_what_was_found(url: str, change: str, found: str) -> None:
    """A column or a migration that is unknown here may say whom not to believe: nothing is touched."""
    sql(url, change)
    before = dump(url)
    with pytest.raises(NotVestauth, match=r"\(tables found: [a-z_, ]+\)$") as refusal:
        take_over(url)
    assert found in str(refusal.value)
    assert dump(url) == before


def test_a_database_of_ours_is_refused(database_url: str) -> None:
    """There is nothing to take over."""
    migrate(database_url)
    with pytest.raises(NotVestauth, match="no table knex_migrations"):
        take_over(database_url)


def test_a_copy_goes_into_an_empty_database_alone(url: str, database_url: str) -> None:
    """Neither into the same one, nor among agents that are there."""
    with pytest.raises(NotVestauth, match="copy into belongs to a vestauth server"):
        take_over(url, url)
    migrate(database_url)
    sql(
        database_url, "INSERT INTO tools (uid, created_at, updated_at) VALUES (repeat('a', 24), now(), now())"
    )
    before = dump(database_url)
    with pytest.raises(NotEmpty, match="rows in tools already"):
        take_over(url, database_url)
    assert dump(database_url) == before


def test_a_copy_may_go_into_a_migrated_database(url: str, database_url: str) -> None:
    """One that a registrar has been started on, and that nobody has registered with."""
    migrate(database_url)
    take_over(url, database_url)
    assert rows(database_url) == rows(url)


def test_a_server_that_runs_has_to_be_stopped_first(made: Made, url: str, tmp_path: Path) -> None:
    """While it is connected nothing is changed, and the operator is told; a dry run says so too."""
    server = VestauthServer(need("binary"), url, tmp_path)
    with server.running():
        agent = server.agent("late")
        before = dump(url)
        refused = adopt(DATABASE_URL=url)
        assert refused.exit_code == 1
        assert "Stop the vestauth server first" in refused.stderr
        assert "stop the vestauth server before you adopt" in adopt("--dry-run", DATABASE_URL=url).stdout
        assert dump(url) == before
    assert adopt(DATABASE_URL=url).exit_code == 0
    assert sql(url, "SELECT state FROM public_jwks WHERE kid = %s", kid_of(agent)) == [("active",)]


def test_whoever_writes_is_waited_for_and_not_for_long(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of an open transaction are neither missed nor overtaken; one that does not end is said to be there."""
    monkeypatch.setattr("vestry_registrar.adoption.one_transaction.BEGIN", "SET LOCAL lock_timeout = '200ms'")
    monkeypatch.setattr("vestry_registrar.adoption.adopt.SETTLING", 0.1)
    with closing(psycopg.connect(url)) as writing:
        writing.execute(
            "INSERT INTO agents (uid, created_at, updated_at) VALUES (repeat('9', 24), now(), now())"
        )
        with pytest.raises(StillInUse, match="other connections to the database: 1"):
            take_over(url)
        with pytest.raises(StillInUse, match="somebody has held the database"):
            take_over(url, despite_connections=True)
        writing.commit()
        take_over(url, despite_connections=True)
    assert sql(url, "SELECT count(*) FROM agents WHERE uid = repeat('9', 24)") == [(1,)]


def test_who_is_about_to_leave_is_no_server_that_runs(url: str) -> None:
    """Postgres counts a client that died for a moment longer: that stands in nobody's way."""
    leaving = psycopg.connect(url)
    timer = threading.Timer(0.4, leaving.close)
    timer.start()
    try:
        report = take_over(url)
    finally:
        timer.join()
    assert (report.others, leaving.closed) == (0, True)


def test_another_default_isolation_misses_nothing(url: str) -> None:
    """What is committed while the lock is waited for is read, whatever the database's default is."""
    name = url.partition("@/")[2].partition("?")[0]
    sql(url, f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    with psycopg.connect(url) as writing:
        writing.execute(
            "INSERT INTO agents (uid, created_at, updated_at) VALUES (repeat('9', 24), now(), now())"
        )
        with subprocess.Popen([sys.executable, "-c", ADOPT, url]) as adopting:
            while not sql(url, "SELECT 1 FROM pg_locks WHERE NOT granted"):
                assert adopting.poll() is None
            writing.commit()
            assert adopting.wait(60) == 0
    assert sql(url, "SELECT count(*) FROM audit_events WHERE uid = 'agent-' || repeat('9', 24)") == [(1,)]


def test_two_at_once_are_one(url: str) -> None:
    """The second waits, and finds that it was done."""
    poison(url)
    runs = [
        subprocess.Popen([sys.executable, "-c", ADOPT, url], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sorted("this was adopted before" in text for text in said) == [False, True]
    assert sql(url, "SELECT count(*) FROM audit_events WHERE event = 'database.adopted'") == [(1,)]


@pytest.mark.parametrize("place", ["adopt.judge", "in_place._clean", "in_place._migrate", "adopt.leave"])
def test_a_kill_in_the_middle_leaves_everything_as_it_was(url: str, place: str) -> None:
    """`kill -9` after any step: nothing has happened, and the next run does all of it."""
    poison(url)
    before = dump(url)
    dying = subprocess.run([sys.executable, "-c", DIE, place, url], check=False, timeout=60)
    assert dying.returncode == -signal.SIGKILL
    assert dump(url) == before
    take_over(url)
    assert len(quarantine(url)) == 3


@pytest.mark.parametrize("place", ["copying.prepare", "copying.write", "adopt.leave"])
def test_a_kill_in_the_middle_of_a_copy_leaves_both_as_they_were(
    url: str, database_url: str, place: str
) -> None:
    """The same for a copy: source and target."""
    before = dump(url), dump(database_url)
    dying = subprocess.run([sys.executable, "-c", DIE, place, url, database_url], check=False, timeout=60)
    assert dying.returncode == -signal.SIGKILL
    assert (dump(url), dump(database_url)) == before
    take_over(url, database_url)


def test_the_registrar_does_not_start_before(url: str) -> None:
    """A vestauth database is not migrated on the quiet: the start ends with what is to be done."""
    before = dump(url)
    with pytest.raises(
        NotAdopted, match=r"^this is the database of a vestauth server: .*run `vestry adopt` first$"
    ):
        migrate(url)
    assert dump(url) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "DATABASE_URL (or DATABASE_URL_FILE) is missing"),
        (("--database-url", "mysql://h/d"), "must be postgresql://"),
        (("--database-url", "postgresql://h/d", "--into", "h/d"), "--into"),
        (("--database-url", "postgresql://nobody@/none?host=/nowhere"), "the database cannot be adopted"),
    ],
)
def test_what_is_wrong_with_the_command_is_said_in_a_line(arguments: tuple[str, ...], said: str) -> None:
    """No traceback."""
    told = adopt(*arguments)
    assert told.exit_code in {1, 2}
    assert said in told.stderr
    assert isinstance(told.exception, SystemExit)


def test_a_failure_of_the_database_is_one_line(url: str) -> None:
    """What stands in the way, here a view, is named, and nothing was changed."""
    sql(url, "CREATE VIEW tools AS SELECT * FROM agents")
    before = dump(url)
    with pytest.raises(
        AdoptionError, match=r'^the database cannot be adopted: [^\n]*"tools" already exists$'
    ):
        take_over(url)
    assert dump(url) == before


def test_odd_values_do_not_stop_it(url: str) -> None:
    """Times without end, numbers without end, JSON without end."""
    agent = poison_agent(url, "e" * 24)
    key = generate()
    number = poison_key(url, agent, key.public.jwk, key.public.kid)
    sql(url, "UPDATE public_jwks SET created_at = '-infinity', updated_at = 'infinity' WHERE id = %s", number)
    poison_key(url, agent, json.loads("[" * 500 + "]" * 500), "deep")
    sql(
        url,
        "INSERT INTO public_jwks VALUES (50, %s, 'huge', '{\"x\": 1e5000}', 'active', now(), now())",
        agent,
    )
    take_over(url)
    assert sql(url, "SELECT created_at::text, updated_at::text FROM public_jwks WHERE id = %s", number) == [
        ("-infinity", "infinity")
    ]
    assert [reasons for _, _, reasons in quarantine(url)] == [["unusable-jwk"]] * 2
