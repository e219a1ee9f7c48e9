"""`vestry tool`: a token and what the file holds of it fit together; a file is judged as the verifier judges it."""

import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from tools_files import book, tool
from vestry.cli import main

SAMPLE = Path(__file__).parents[2] / "deploy/tools.example.toml"


def test_a_token_and_its_hash() -> None:
    """What is printed for people is what the file takes; both lines alone go to standard output."""
    done = CliRunner().invoke(main, ["tool", "token"])
    assert done.exit_code == 0
    token, line = done.stdout.splitlines()
    assert re.fullmatch(r"vestry_tool_[A-Za-z0-9_-]{43}", token)
    assert tomllib.loads(line) == {"tokens": [hashlib.sha256(token.encode()).hexdigest()]}
    assert book(f'[tools.a]\n{line}\nauthorities = "*"\n').names == ["a"]


def test_a_token_for_programs() -> None:
    """The same as JSON, and no two are alike."""
    made = [json.loads(CliRunner().invoke(main, ["tool", "token", "--json"]).stdout) for _ in range(2)]
    assert all(each["sha256"] == hashlib.sha256(each["token"].encode()).hexdigest() for each in made)
    assert made[0]["token"] != made[1]["token"]


def test_a_good_file_is_told_so() -> None:
    """With what it has."""
    done = CliRunner().invoke(main, ["tool", "check", str(SAMPLE)])
    assert (done.exit_code, done.output) == (
        0, "tools with tokens: orders, search; without a token: default\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "environ", "problem"),
    [
        ("x = 1\n" + tool("rate = 1"), {}, "inventory.rate must be in quotes"),
        (tool('profiles = ["vestauth"]'), {"PROFILES": "web-bot-auth"}, "must be one of web-bot-auth"),
        (tool(), {"PROFILES": "none"}, "PROFILES"),
    ],
)
def test_a_bad_file_is_told_so(tmp_path: Path, text: str, environ: dict[str, str], problem: str) -> None:
    """By the settings that the verifier would have, with an exit code for scripts."""
    path = tmp_path / "tools.toml"
    path.write_text(text)
    done = CliRunner().invoke(main, ["tool", "check", str(path)], env=environ)
    assert done.exit_code == 1
    assert problem in done.output


def test_a_file_that_is_not_there() -> None:
    """Is no good one."""
    done = CliRunner().invoke(main, ["tool", "check", "/nowhere/tools.toml"])
    assert (done.exit_code, "No such file" in done.output) == (1, True)
