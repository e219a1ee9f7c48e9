"""`vestry explain`: a request that somebody saved, explained by a real verifier."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from services import TOOL, Services, asked
from signer import In
from tools_files import TOKEN, tool
from vestry.cli import main
from vestry.cli.explain.report import report
from vestry.cli.explain.saved import read


def run(services: Services, *arguments: str, given: str | bytes = "", **environ: str) -> Result:
    """Run the command against the verifier of the tests."""
    url = f"http://127.0.0.1:{services.verifier.internal_port}"
    environ = {"VESTRY_VERIFIER_URL": url, **environ}
    return CliRunner().invoke(main, ["explain", *arguments], env=environ, input=given)


def as_http(signed: dict[str, str], newline: str = "\r\n") -> str:
    lines = ["GET /inbox HTTP/1.1", "Host: tool.example", *(f"{name}: {signed[name]}" for name in signed)]
    return newline.join([*lines, "", ""])


def as_curl(signed: dict[str, str]) -> list[str]:
    return ["curl", "-s", *(word for name in signed for word in ("-H", f"{name}: {signed[name]}")), TOOL]


async def test_every_form_of_a_request(services: Services, tmp_path: Path) -> None:
    """A file, standard input, curl behind -- or in quotes: one request, one explanation, and it still verifies."""
    agent = await services.agent()
    signed = agent.sign()
    file = tmp_path / "request.http"
    file.write_text(as_http(signed))
    line = shlex.join(as_curl(signed))
    results = [
        run(services, str(file)),
        run(services, given=as_http(signed)),
        run(services, "-", given=as_http(signed, "\n")),
        run(services, given=json.dumps(asked(signed))),
        run(services, given=f"$ {line}\n"),
        run(services, "--curl", line),
        run(services, "--", *as_curl(signed)),
        run(services, *as_curl(signed)),
    ]
    for result in results:
        assert result.exit_code == 0, result.output
        assert result.stdout.endswith(f"would verify: {agent.uid}, profile vestauth, signature sig1\n")
    assert "https is taken (--scheme)" in results[0].stderr
    assert (await services.verify(signed)).status == 200
    assert run(services, str(file)).exit_code == 1


async def test_what_people_read(services: Services) -> None:
    """Checks with their marks, the text that was signed, what failed, what would help; and code 1."""
    agent = await services.agent()
    result = run(services, given=json.dumps(asked(agent.sign(created=In(-1000)))))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].split(maxsplit=2)[:2] == ["✓", "question"]
    assert "signature sig1" in lines
    assert '    "@authority": tool.example' in lines
    [failed] = [line for line in lines if line.startswith("✗")]
    assert failed.split()[1] == "time"
    assert any(line.startswith("– lifetime") for line in lines)
    assert lines[-3] == "would be refused: EXPIRED_SIGNATURE (401, invalid)"
    assert lines[-2].startswith("failed: time: the signature has expired")
    assert re.match(r"hint: It came 70\d s after it expired, 100\d s after it was created", lines[-1])


async def test_for_programs(services: Services) -> None:
    """`--json` is the verifier's own answer, with the same code."""
    agent = await services.agent()
    result = run(services, "--json", given=json.dumps(asked(agent.sign(base=b"another"))))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["reason"] == "INVALID_SIGNATURE"


async def test_by_the_rules_of_a_tool(services: Services, tmp_path: Path) -> None:
    """With a tool's token the public port explains too, where the tool has the right."""
    agent = await services.agent()
    file = tmp_path / "tools.toml"
    file.write_text(tool("explain = true", 'require = ["@path"]'))
    with services.another_verifier(TOOLS_FILE=str(file)) as verifier:
        url = f"http://127.0.0.1:{verifier.port}"
        given = json.dumps(asked(agent.sign()))
        result = run(services, "--verifier", url, given=given, VESTRY_TOOL_TOKEN=TOKEN)
        without = run(services, "--verifier", url, given=given)
        other = run(services, "--verifier", url, "--token", "vestry_tool_other", given=given)
    assert (result.exit_code, result.stdout.splitlines()[-2]) == (
        1,
        "failed: required: the signature must cover @path too",
    )
    assert (without.exit_code, without.stdout) == (2, "")
    assert "a verifier wants a token: say which by --token or VESTRY_TOOL_TOKEN" in without.stderr
    assert "shown does not count here: say which by --token or VESTRY_TOOL_TOKEN" in other.stderr
    assert "Authorization" not in without.stderr + other.stderr


async def test_a_public_port_that_explains_nothing(services: Services) -> None:
    """Who has not the right is told which port, or which token, would explain."""
    url = f"http://127.0.0.1:{services.verifier.port}"
    result = run(services, "--verifier", url, given=json.dumps(asked({})))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "[NOT_FOUND]" in result.stderr
    assert "--verifier must name an internal port, or --token be of a tool" in result.stderr


def test_nobody_waits_for_what_nobody_knows_to_type() -> None:
    """Without a request, at a terminal, it is said which forms there are."""
    master, terminal = pty.openpty()
    words = [sys.executable, "-P", "-m", "vestry", "explain"]
    try:
        ran = subprocess.run(words, stdin=terminal, capture_output=True, text=True, check=False, timeout=20)
    finally:
        os.close(master)
        os.close(terminal)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "which request?" in ran.stderr


def test_the_internal_port_may_be_another() -> None:
    """Without --verifier it is asked at VERIFIER_INTERNAL_PORT of this machine."""
    result = CliRunner().invoke(main, ["explain"], env={"VERIFIER_INTERNAL_PORT": "1"}, input="{}")
    assert result.exit_code == 2
    assert "http://127.0.0.1:1 cannot be reached" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        ([], "hello", "this is no request"),
        ([], "", "this is no request"),
        ([], "{", "begins like JSON"),
        ([], "GET / HTTP/1.1\n\n", "no Host header"),
        ([], "GET / HTTP/1.1\nHost: a\nnonsense\n\n", "line 3 of the request is no header"),
        ([], "curl 'a", "not closed"),
        (["/nowhere/at/all"], "", "cannot be read: No such file"),
        (["one", "two"], "", "one FILE"),
        (["--curl", "curl x", "file"], "", "one request, please"),
        (["--curl", ""], "", "names no URL"),
        (["--", "curl", "-d", "@/nowhere", "x"], "", "cannot be read"),
        (["--verifier", "ftp://x"], "{}", "must begin with http"),
        (["--token", "a b"], "{}", "no token"),
    ],
)
def test_what_cannot_be_asked(arguments: list[str], given: str, said: str) -> None:
    """A wrong call is code 2 and a sentence, never a traceback."""
    result = CliRunner().invoke(main, ["explain", *arguments], input=given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    ("text", "url", "lines", "body"),
    [
        (b"GET /a?b HTTP/1.1\r\nHost: x.example\r\n\r\n", "https://x.example/a?b", {}, b""),
        (b"GET /a HTTP/1.1\nHost: localhost:8080\n", "http://localhost:8080/a", {}, None),
        (b"GET http://y.example/a HTTP/1.1\nHost: x\n\n", "http://y.example/a", {}, b""),
        (b"POST / HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}\n", "https://x/", {"content-length": ["2"]}, b"{}"),
        (b"POST / HTTP/2\nhost: x\n\n{}\n", "https://x/", {}, b"{}\n"),
        (b"POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n2\n{}\n0\n\n", "https://x/", {}, None),
        (b"GET / HTTP/1.1\nHost: x\nA: 1\nA: 2\n\n", "https://x/", {"a": ["1", "2"]}, b""),
        (b"GET / HTTP/1.1\nHost: x\nB: one\n  two\n\n", "https://x/", {"b": ["one two"]}, b""),
        ("GET / HTTP/1.1\nHost: x\nA: é\n\n".encode(), "https://x/", {"a": ["é"]}, b""),
        ("GET / HTTP/1.1\nHost: x\nA: é\n\n".encode("latin-1"), "https://x/", {"a": ["é"]}, b""),
    ],
)  # fmt: skip
def test_a_request_in_http(text: bytes, url: str, lines: dict[str, list[str]], body: bytes | None) -> None:
    """Line ends, repeated and folded lines, lengths: what was saved is what is asked about."""
    question, _ = read(text, None)
    assert question["url"] == url
    assert lines.items() <= question["headers"].items()
    assert (b64decode(question["body"]) if "body" in question else None) == body
    assert read(b"GET / HTTP/1.1\nHost: x\n", "http")[0]["url"] == "http://x/"


def told(saw: str) -> dict[str, Any]:
    check = {"check": "question", "signature": None, "result": "passed", "saw": saw, "reason": None}
    return {
        "checks": [check, {**check, "result": "failed"}, {**check, "result": "skipped"}],
        "signatures": [{"label": "sig1", "covered": [], "signature_base": None}],
        "reason": "INVALID_URI",
        "outcome": None,
        "status": 400,
        "failed": "question",
        "message": "no",
        "hint": "yes",
        "signer": None,
    }


def test_a_terminal_without_check_marks() -> None:
    """Plain marks, and no character that it cannot show."""
    text = report(told("é…"), "ascii")
    assert [line[:3] for line in text.splitlines()[:3]] == ["+ q", "x q", "- q"]
    assert text.isascii()
    assert report(told("é…"), "utf-8").splitlines()[1].startswith("✗ question  é…")


def test_a_strangers_bytes_do_not_reach_the_terminal() -> None:
    """No control character of a request moves the cursor, colours the text or makes a line of its own."""
    text = report(told("a\x1b[2Jb\r\nc\x9bd\u202e"), "utf-8")
    assert "a?[2Jb??c?d?" in text
    assert len(text.splitlines()) == 9
