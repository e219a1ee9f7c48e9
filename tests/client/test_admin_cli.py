"""`vestry admin` and `vestry operator`: what an operator does from a shell."""

import http.server
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from operator_desk import Desk
from services import Agent, Services
from vestry.cli import main
from vestry.cli.admin import show
from vestry_signatures import generate


class Shell:
    """A shell of one operator."""

    def __init__(self, services: Services, token: str) -> None:
        self.environ = {
            "VESTRY_ADMIN_URL": f"http://127.0.0.1:{services.registrar.internal_port}",
            "VESTRY_ADMIN_TOKEN": token,
        }

    def run(self, *arguments: str) -> Result:
        """Run a command; nobody is at the terminal."""
        return CliRunner().invoke(main, ["admin", *arguments], env=self.environ)

    def say(self, *arguments: str) -> str:
        """Run a command that succeeds, and return what it prints on standard output."""
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command for programs."""
        return json.loads(self.say(*arguments, "--json"))


@pytest.fixture
async def shell(services: Services) -> Shell:
    return Shell(services, (await Desk.open(services)).token)


async def test_agents_are_listed_and_shown(services: Services, shell: Shell) -> None:
    """As a table for people and as the API's own JSON for programs."""
    agent = await services.agent()
    listed = shell.say("agents", "list", "--uid", agent.uid).splitlines()
    assert listed[0].split() == ["uid", "state", "label", "keys", "created", "at"]
    assert listed[1].split()[:5] == [agent.uid, "active", "-", "active", "1"]
    assert [
        each["uid"] for each in shell.json("agents", "list", "--kid", agent.key.public.kid)["agents"]
    ] == [agent.uid]
    shown = shell.say("agents", "show", agent.uid)
    assert agent.key.public.kid in shown
    assert "agent.registered" in shown
    assert shell.json("agents", "show", agent.uid)["uid"] == agent.uid


async def test_pages_go_on_where_one_ended(services: Services, shell: Shell) -> None:
    """The word for the next page is told beside the table, not in it."""
    agents = [(await services.agent()).uid for _ in range(2)]
    first = shell.run("agents", "list", "--limit", "1")
    assert agents[1] in first.stdout
    word = first.stderr.split()[-1]
    assert agents[0] in shell.say("agents", "list", "--limit", "1", "--cursor", word)


async def test_every_state_from_the_shell(services: Services, shell: Shell) -> None:
    """Suspend, resume, revoke; the second time says that it is so already."""
    agent = await services.agent()
    why = ("--reason", "a test")
    assert shell.say("agents", "suspend", agent.uid, *why, "--yes") == f"{agent.uid} is suspended\n"
    assert (await services.verify(agent.sign())).verdict == (401, "SUSPENDED_AGENT")
    assert shell.say("agents", "suspend", agent.uid, *why, "--yes") == f"{agent.uid} is suspended already\n"
    assert shell.say("agents", "resume", agent.uid, *why) == f"{agent.uid} is active\n"
    assert (await services.verify(agent.sign())).status == 200
    assert shell.json("agents", "revoke", agent.uid, *why, "--yes")["state"] == "revoked"
    assert (await services.verify(agent.sign())).verdict == (401, "REVOKED_KEY")
    refused = shell.run("agents", "resume", agent.uid, *why)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "[WRONG_STATE]" in refused.stderr


async def test_approve_and_tools(services: Services, shell: Shell) -> None:
    """Pending agents and tools are let in; a tool is revoked."""
    with services.another_registrar(REGISTRATION="approval") as registrar:
        agent = await services.agent(registrar)
        tool = (await services.register(generate(), "/tool/register", registrar=registrar)).json["uid"]
    assert "pending" in shell.say("agents", "list", "--state", "pending", "--uid", agent.uid)
    shell.say("agents", "approve", agent.uid, "--reason", "known")
    assert (await services.verify(agent.sign())).status == 200
    assert shell.say("tools", "approve", tool, "--reason", "known") == f"{tool} is active\n"
    assert shell.say("tools", "revoke", tool, "--reason", "gone", "--yes") == f"{tool} is revoked\n"
    assert "revoked" in shell.say("tools", "list", "--uid", tool)


async def test_a_key_is_revoked_and_another_attached(services: Services, shell: Shell) -> None:
    """The way back: the token alone is on standard output, so it can be taken into a variable or a file."""
    agent, new = await services.agent(), Agent()
    kid = agent.key.public.kid
    shell.say("keys", "revoke", agent.uid, kid, "--reason", "stolen", "--yes")
    assert (await services.verify(agent.sign())).verdict == (401, "REVOKED_KEY")
    token = shell.say("keys", "attach", agent.uid, "--reason", "called back", "--expires-in", "2m").strip()
    answer = await services.register(new.key, also={"Authorization": f"Bearer {token}"})
    assert answer.json["uid"] == agent.uid
    assert (await services.verify(new.at(agent.uid).sign())).status == 200


@pytest.mark.parametrize("letter", "hy")
async def test_a_kid_that_looks_like_options_is_a_kid(services: Services, shell: Shell, letter: str) -> None:
    """One kid in 64 begins with a dash, and most of those hold the letter of some option. Each is revoked."""
    drawn = iter(generate, None)
    key = next(each for each in drawn if each.public.kid[0] == "-" and letter in each.public.kid)
    agent = Agent(key)
    agent.uid = (await services.register(key)).json["uid"]
    shell.say("keys", "revoke", agent.uid, key.public.kid, "--reason", "stolen", "--yes")
    assert (await services.verify(agent.sign())).verdict == (401, "REVOKED_KEY")


async def test_tokens(services: Services, shell: Shell) -> None:
    """Made, listed without what they are, and revoked."""
    token = shell.say(
        "tokens", "create", "--label", "build farm", "--uses", "3", "--expires-in", "7d"
    ).strip()
    assert token.startswith("vestry_enr_")
    [made] = shell.json("tokens", "list", "--limit", "1")["tokens"]
    assert (made["label"], made["uses_left"]) == ("build farm", 3)
    assert made["expires_at"] - made["created_at"] == 7 * 86_400
    assert token not in shell.say("tokens", "list")
    assert (
        shell.say("tokens", "revoke", str(made["id"]), "--reason", "over", "--yes")
        == f"token {made['id']} is revoked\n"
    )


async def test_counts(services: Services, shell: Shell) -> None:
    """For people and for programs."""
    await services.agent()
    assert shell.say("counts").startswith("agents")
    assert shell.json("counts")["agents"]["active"] >= 1


DESTRUCTIVE = [
    ("agents", "suspend", "{uid}"),
    ("agents", "revoke", "{uid}"),
    ("keys", "revoke", "{uid}", "{kid}"),
    ("tools", "revoke", "{tool}"),
    ("tokens", "revoke", "1"),
]


@pytest.mark.parametrize("command", DESTRUCTIVE)
async def test_nothing_is_taken_away_unasked(
    services: Services, shell: Shell, command: Sequence[str]
) -> None:
    """Without a terminal and without --yes it says what it would do, and refuses."""
    agent = await services.agent()
    tool = (await services.register(generate(), "/tool/register")).json["uid"]
    before = services.stored()
    filled = [part.format(uid=agent.uid, kid=agent.key.public.kid, tool=tool) for part in command]
    result = shell.run(*filled, "--reason", "a test")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "will be" in result.stderr
    assert "--yes" in result.stderr
    assert services.stored() == before


def test_every_command_that_takes_something_away_asks() -> None:
    """The list above holds every command that revokes or suspends."""
    group = main.commands["admin"]
    assert isinstance(group, click.Group)
    found = {
        (noun, verb)
        for noun, verbs in group.commands.items()
        if isinstance(verbs, click.Group)
        for verb in verbs.commands
        if verb in {"revoke", "suspend"}
    }
    assert found == {command[:2] for command in DESTRUCTIVE}


def _at_a_terminal(shell: Shell, answer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command for somebody who types an answer."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        return subprocess.run(
            [sys.executable, "-m", "vestry", "admin", *arguments],
            env={"PATH": os.environ["PATH"], **shell.environ},
            stdin=theirs,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(("answer", "state"), [("n", "active"), ("y", "revoked")])
async def test_at_a_terminal_one_is_asked(services: Services, shell: Shell, answer: str, state: str) -> None:
    """With who it is and what becomes of it; no is no."""
    agent = await services.agent()
    told = _at_a_terminal(shell, answer, "agents", "revoke", agent.uid, "--reason", "a test")
    assert (
        f"{agent.uid}, active, keys in use: 1: it and all its keys will be revoked, for ever." in told.stderr
    )
    assert told.returncode == (0 if answer == "y" else 1)
    assert shell.json("agents", "show", agent.uid)["state"] == state


def test_without_a_token(services: Services) -> None:
    """One line that says where one comes from; no request is made."""
    result = CliRunner().invoke(main, ["admin", "counts"], env={"VESTRY_ADMIN_TOKEN": None})
    assert result.exit_code == 2
    assert "vestry operator create" in result.stderr


async def test_the_token_from_a_file(services: Services, shell: Shell, tmp_path: Path) -> None:
    """It wins over the environment; what is no token is refused before anything is sent."""
    file = tmp_path / "token"
    file.write_text(shell.environ["VESTRY_ADMIN_TOKEN"] + "\n")
    shell.environ["VESTRY_ADMIN_TOKEN"] = "vestry_op_wrong"
    refused = shell.run("counts")
    assert refused.exit_code == 1
    assert "does not count here: say which by --token-file or VESTRY_ADMIN_TOKEN" in refused.stderr
    assert shell.run("counts", "--token-file", str(file)).exit_code == 0
    file.write_text("a\nb: c")
    assert shell.run("counts", "--token-file", str(file)).exit_code == 2
    assert shell.run("counts", "--token-file", str(tmp_path / "none")).exit_code == 2


def test_a_registrar_that_is_away(shell: Shell) -> None:
    """One line, without a traceback and without the token."""
    shell.environ["VESTRY_ADMIN_URL"] = "http://127.0.0.1:9"
    result = shell.run("counts")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: http://127.0.0.1:9 cannot be reached")
    assert shell.environ["VESTRY_ADMIN_TOKEN"] not in result.output


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    """Sends everybody on to another address, and remembers what it was sent."""

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Authorization"]))  # type: ignore[attr-defined]
        if self.path.startswith("/admin"):
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/thief")
        else:
            self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[http.server.HTTPServer]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        server.seen = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_token_is_not_carried_on(shell: Shell, elsewhere: http.server.HTTPServer) -> None:
    """A redirect and a proxy of the environment get no token: only the named URL does."""
    here = f"http://127.0.0.1:{elsewhere.server_address[1]}"
    named = shell.environ["VESTRY_ADMIN_URL"]
    shell.environ |= {"http_proxy": here, "HTTP_PROXY": here}
    assert shell.run("counts").exit_code == 0, named
    assert elsewhere.seen == []  # type: ignore[attr-defined]
    shell.environ["VESTRY_ADMIN_URL"] = here
    result = shell.run("counts")
    assert (result.exit_code, "check --url" in result.stderr) == (1, True)
    assert [path for path, _ in elsewhere.seen] == ["/admin/counts"]  # type: ignore[attr-defined]


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    """Escape sequences and characters that turn text round come as question marks."""
    assert show.cell("label", "a\x1b[31mb\u202ec\n") == "a?[31mb?c?"


def test_operators_are_made_and_revoked_on_the_database(services: Services) -> None:
    """The token is printed once, alone on standard output; the list has names and times; revoking ends it."""
    environ = {"DATABASE_URL": services.database_url}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["operator", *arguments], env=environ)

    made = run("create", "alice")
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    assert token.startswith("vestry_op_")
    assert len(made.stdout.splitlines()) == 1
    shell = Shell(services, token)
    assert shell.run("counts").exit_code == 0
    assert run("create", "alice").exit_code == 1
    [alice] = [each for each in json.loads(run("list", "--json").stdout) if each["name"] == "alice"]
    assert alice["revoked_at"] is None
    assert "alice" in run("list").stdout
    assert token not in run("list", "--json").output
    assert run("revoke", "alice").exit_code == 0
    assert shell.run("counts").exit_code == 1
    assert run("revoke", "alice").exit_code == 1
    told = services.sql(
        "SELECT event, actor_kind FROM audit_events WHERE details->>'name' = 'alice' ORDER BY id"
    )
    assert told == [("operator.created", "system"), ("operator.revoked", "system")]


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"DATABASE_URL": "postgresql://nobody:x@/none?host=/nowhere"}, "cannot be reached"),
        ({"DATA_DIR": "/nowhere", "DATABASE_URL": None}, "/nowhere"),
    ],
)
def test_operator_says_what_is_wrong(environ: dict[str, str | None], text: str) -> None:
    """One line, no traceback."""
    result = CliRunner().invoke(main, ["operator", "list"], env=environ)
    assert result.exit_code in {1, 2}
    assert text in result.stderr


def test_operator_on_a_database_without_tables(database_url: str) -> None:
    """It says what to run first."""
    result = CliRunner().invoke(main, ["operator", "create", "bob"], env={"DATABASE_URL": database_url})
    assert (result.exit_code, "vestry migrate" in result.stderr) == (1, True)
