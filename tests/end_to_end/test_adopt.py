"""From a vestauth server to ours: the agents made there go on as they are, and what was poisoned does not act."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

import signer
from clients import Client, need
from documents import ROOT, Block, blocks, codes, plain, rows, run
from live_stack import Answer, LiveStack, ask, free_ports, live_stack
from stores import PostgresServer, ValkeyServer
from vestauth_server import (
    POSTGRES_PROGRAMS,
    VestauthServer,
    adopt,
    dump,
    kid_of,
    poison_agent,
    poison_key,
    sql,
)
from vestry_registrar.adoption.reasons import Reason
from vestry_signatures import PrivateKey, generate
from vestry_signatures.keys import encode_base64url, thumbprint

TEXT = (ROOT / "docs" / "operators" / "from-vestauth.md").read_text()
TOOL = "https://tool.example/things?page=2"
MADE = "made_for_moving"
STRANGER, NOBODY = "e" * 24, "f" * 24
IDENTITY = {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(b"\x01" + bytes(31))}


class Agents(NamedTuple):
    """What the real server made, and what was done to it.

    Attributes:
        port: where it answered, and its successor must.
        plain: an agent that registered, and nothing else; `registered` is what it kept then.
        rotated: one that rotated; `before` is what it kept until then.
        exposed: one whose private half got into the database.
        paused: one whose key is in a state of somebody's own.
        forged: a key that is in the database under a made-up kid.
    """

    port: int
    plain: Client
    registered: str
    rotated: Client
    before: str
    exposed: Client
    paused: Client
    forged: PrivateKey


@pytest.fixture(scope="module")
def agents(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Agents:
    """Agents of the released server, which was then stopped, and poisoned rows in its database."""
    url = postgres.database_url(MADE)
    server = VestauthServer(need("binary"), url, tmp_path_factory.mktemp("vestauth"))
    server.set_up("db:create", "db:migrate")
    with server.running():
        plain_, rotated, exposed, paused = (
            server.agent(n) for n in ("plain", "rotated", "exposed", "paused")
        )
        before = rotated.env.read_text()
        assert rotated.run("agent", "rotate").code == 0
    forged = generate()
    _poison(url, plain_, exposed, paused, forged)
    return Agents(server.port, plain_, plain_.env.read_text(), rotated, before, exposed, paused, forged)


def _poison(url: str, plain_: Client, exposed: Client, paused: Client, forged: PrivateKey) -> None:
    private = json.loads(exposed.kept("AGENT_PRIVATE_JWK"))
    sql(url, "UPDATE public_jwks SET value = %s::jsonb WHERE kid = %s", json.dumps(private), kid_of(exposed))
    sql(url, "UPDATE public_jwks SET state = 'paused' WHERE kid = %s", kid_of(paused))
    stranger = poison_agent(url, STRANGER)
    poison_key(url, stranger, forged.public.jwk, "made-up")
    poison_key(url, stranger, json.loads(plain_.kept("AGENT_PUBLIC_JWK")), "made-up-too")
    poison_key(url, stranger, IDENTITY, thumbprint(IDENTITY))
    poison_key(url, stranger, {"kty": "RSA"}, "no-key")
    poison_agent(url, NOBODY)
    nameless = generate().public
    poison_key(url, poison_agent(url, None), nameless.jwk, nameless.kid)


def _copy_of(postgres: PostgresServer, name: str) -> str:
    with psycopg.connect(postgres.database_url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {MADE}")
    return postgres.database_url(name)


@pytest.fixture(scope="module")
def moved(
    agents: Agents, postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveStack]:
    """Our services on the adopted database, at the address of the old server."""
    url, folder = _copy_of(postgres, "moved"), tmp_path_factory.mktemp("moved")
    assert adopt(DATABASE_URL=url).exit_code == 0
    ports = {**free_ports(), "PORT": agents.port}
    with live_stack(folder / "data", folder / "log", ports, DATABASE_URL=url) as stack:
        yield stack


def _verify(stack: LiveStack, agent: Client) -> Answer:
    return stack.verify("GET", TOOL, agent.headers("GET", TOOL))


def _as(stack: LiveStack, uid: str, key: PrivateKey, **changes: signer.Parameter) -> Answer:
    """Ask about a request that a key signed in the name of a uid."""
    headers = {"Signature-Agent": f'sig1="{stack.base.replace("//", f"//agent-{uid}.")}"'}
    return stack.verify("GET", TOOL, {**signer.sign(key, "GET", TOOL, headers=headers, **changes), **headers})


def test_agents_of_the_old_server_go_on_unchanged(agents: Agents, moved: LiveStack) -> None:
    """The released client, with what it has kept, signs requests that our `/whoami` and `/verify` accept."""
    for agent in (agents.plain, agents.rotated):
        facts = agent.run("agent", "curl", f"{moved.base}/whoami").json
        assert (facts["uid"], facts["kid"]) == (agent.kept("AGENT_UID"), kid_of(agent))
        answer = _verify(moved, agent)
        assert (answer.status, answer.facts["uid"], answer.facts["kid"]) == (
            200, agent.kept("AGENT_UID"), kid_of(agent),
        )  # fmt: skip
        assert [key["kid"] for key in moved.directory(agent.kept("AGENT_UID")).facts["keys"]] == [
            kid_of(agent)
        ]


def test_registering_again_finds_the_same_agent(agents: Agents, moved: LiveStack) -> None:
    """`agent init` with the old key gives the old uid."""
    said = agents.plain.run("agent", "init", "--hostname", moved.base)
    assert "agent exists" in said.out + said.err
    assert agents.plain.kept("AGENT_UID") in said.out + said.err


def test_a_key_that_was_rotated_away_there_is_dead_here(
    agents: Agents, moved: LiveStack, tmp_path: Path
) -> None:
    """At the verifier and at the registrar."""
    old = Client("binary", agents.rotated.program, tmp_path)
    old.env.write_text(agents.before)
    assert _verify(moved, old).reason == "REVOKED_KEY"
    url = f"{moved.base}/whoami"
    assert ask(url, headers=old.headers("GET", url)).reason == "REVOKED_KEY"


def test_keys_that_are_exposed_or_in_an_unknown_state_are_dead(agents: Agents, moved: LiveStack) -> None:
    """Their holders are told, and cannot register them anew."""
    for agent in (agents.exposed, agents.paused):
        assert _verify(moved, agent).reason == "REVOKED_KEY"
        assert moved.directory(agent.kept("AGENT_UID")).facts["keys"] == []
        assert "KEY_REVOKED" in agent.run("agent", "init", "--hostname", moved.base).err


def test_what_was_poisoned_verifies_nowhere(agents: Agents, moved: LiveStack) -> None:
    """A made-up kid under either name, the key that every signature fits, and another's key."""
    forged = agents.forged
    assert _as(moved, STRANGER, forged).reason == "UNKNOWN_KEY"
    assert _as(moved, STRANGER, forged, keyid="made-up").reason == "UNKNOWN_KEY"
    weak = signer.sign(forged, "GET", TOOL, keyid=thumbprint(IDENTITY))
    weak["Signature"] = "sig1=:AQ" + "A" * 84 + "==:"
    name = moved.base.replace("//", f"//agent-{STRANGER}.")
    assert moved.verify("GET", TOOL, {**weak, "Signature-Agent": f'sig1="{name}"'}).reason == "UNKNOWN_KEY"
    swapped = {**agents.plain.headers("GET", TOOL), "Signature-Agent": f'sig1="{name}"'}
    assert moved.verify("GET", TOOL, swapped).reason == "UNKNOWN_KEY"
    assert moved.directory(f"agent-{STRANGER}").facts["keys"] == []


def test_agents_of_the_old_server_rotate_here(agents: Agents, moved: LiveStack) -> None:
    """The released client's rotation works, and kills the key that was made there."""
    spare = agents.plain.headers("GET", TOOL)
    assert agents.plain.run("agent", "rotate").code == 0
    assert _verify(moved, agents.plain).status == 200
    assert moved.verify("GET", TOOL, spare).reason == "REVOKED_KEY"


def _programs(folder: Path, client: Path) -> list[Path]:
    """Make a folder in which `vestry`, `npx vestauth` and Postgres' programs are the ones that are installed here."""
    folder.mkdir()
    npx = f'#!/bin/sh\ntest "$1" = vestauth || exit 127\nshift\nexec "{client}" "$@"\n'
    for name, body in {"npx": npx, "vestry": f'#!/bin/sh\nexec "{sys.executable}" -m vestry "$@"\n'}.items():
        (folder / name).write_text(body)
        (folder / name).chmod(0o755)
    return [folder, POSTGRES_PROGRAMS]


def test_the_document_is_a_story_that_happens(
    agents: Agents, postgres: PostgresServer, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """A reader who copies the blocks from top to end moves, sees what is shown, and has a way back."""
    url = _copy_of(postgres, "story")
    before = dump(url)
    # The other tests' stack has the old server's port: this story happens at another.
    ports = free_ports()
    (tmp_path / "my-agent").mkdir()
    registered = agents.registered.replace(f"localhost:{agents.port}", f"localhost:{ports['PORT']}")
    (tmp_path / "my-agent" / ".env").write_text(registered)
    text = TEXT.replace("redis://localhost:6379", valkey.url)
    for name, there in {"vestauth_production": "story", "vestry_agents": "", "vestauth_before": ""}.items():
        theirs = postgres.database_url(there or name)
        text = text.replace(f"postgresql://localhost/{name}", f"'{theirs}'")
    names = {
        "3000": "PORT",
        "3001": "INTERNAL_PORT",
        "4000": "VERIFIER_PORT",
        "4001": "VERIFIER_INTERNAL_PORT",
    }
    where = " ".join(f"{variable}={port}" for port, variable in names.items())
    story = [Block("sh", f"export BIND=127.0.0.1 {where}"), *blocks(text)]
    numbers = {port: ports[variable] for port, variable in names.items()}
    for shown in run(story, tmp_path, numbers, _programs(tmp_path / "bin", agents.plain.program)):
        assert plain(shown.printed) == plain(shown.expected), shown.block.text
    assert dump(postgres.database_url("vestauth_before")) == before
    copied = sql(postgres.database_url("vestry_agents"), "SELECT kid, state FROM public_jwks ORDER BY id")
    assert copied == sql(url, "SELECT kid, state FROM public_jwks ORDER BY id")


def test_every_finding_is_explained_with_what_happens() -> None:
    """The table of codes has each that the code has, with its fate, in order."""
    table = [(codes(code)[0], fate) for code, fate, _ in rows(TEXT, "code")]
    assert table == [(reason.code, reason.fate.name.lower()) for reason in Reason]
