"""Every command and every program of the documents runs, in order, against a real stack, and prints what is shown."""

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from clients import need
from documents import ROOT, blocks, documents, plain, run
from live_stack import LiveStack

STORIES = [
    "README.md",
    "docs/agents.md",
    "docs/explain.md",
    "docs/operators/agents.md",
    "docs/operators/audit.md",
    "docs/operators/limits.md",
    "docs/operators/running.md",
    "docs/tools.md",
]
# These need a container engine or a gateway and a domain.
NOT_HERE = {"docs/operators/compose.md", "docs/operators/tls-and-dns.md"}
# Run by tests/end_to_end/test_adopt.py, beside the server that it is about.
ELSEWHERE = {"docs/operators/from-vestauth.md"}


def _programs(folder: Path, text: str) -> Path:
    """Make a folder in which `npx vestauth` is the released client that is installed already, and python is ours."""
    programs = {
        "python": f'exec "{sys.executable}" "$@"',
        "vestry": f'exec "{sys.executable}" -P -m vestry "$@"',
    }
    if "npx " in text:
        programs["npx"] = f'test "$1" = vestauth || exit 127\nshift\nexec "{need("javascript")}" "$@"'
    folder.mkdir()
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.mark.parametrize("document", STORIES)
def test_the_commands_of_a_document_do_what_it_says(document: str, stack: LiveStack, tmp_path: Path) -> None:
    """A reader who copies the blocks from top to end sees what the document shows."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        tool = free.getsockname()[1]
    own = stack.ports
    ports = {"3000": own["PORT"], "3001": own["INTERNAL_PORT"], "8080": tool}
    ports |= {"4000": own["VERIFIER_PORT"], "4001": own["VERIFIER_INTERNAL_PORT"]}
    text = (ROOT / document).read_text()
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / ".vestry").symlink_to(stack.data)
    for shown in run(blocks(text), folder, ports, [_programs(tmp_path / "bin", text)]):
        assert plain(shown.printed) == plain(shown.expected), shown.block.text


def test_no_command_is_left_out() -> None:
    """Every document with commands is run here, but for those that need what a test run has not."""
    with_commands = {
        str(document.relative_to(ROOT))
        for document in documents()
        if any(block.is_run for block in blocks(document.read_text()))
    }
    assert with_commands - NOT_HERE - ELSEWHERE == set(STORIES)


def test_few_blocks_are_for_a_person_alone() -> None:
    """What is left out of a document that is run is marked in it, and is exactly this."""
    texts = [block.text for story in STORIES for block in blocks((ROOT / story).read_text()) if block.by_hand]
    commands = [re.sub(r"^#.*\n", "", text).splitlines() for text in texts]
    assert commands == [["git clone <this repository> vestry && cd vestry", "make run"], ["make test"]]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_the_make_commands_that_are_not_run_exist() -> None:
    """`make run` and `make test` are there; what they start is what every other test here uses."""
    for target in ("run", "test"):
        planned = subprocess.run(
            ["make", "-C", str(ROOT), "-n", target], capture_output=True, text=True, check=False, timeout=60
        )
        assert planned.returncode == 0, planned.stderr


@pytest.mark.parametrize("document", STORIES)
def test_languages_of_blocks_are_known(document: str) -> None:
    """A block in another language would be neither run nor compared, and nobody would notice."""
    text = (ROOT / document).read_text()
    found = blocks(text)
    assert {block.language for block in found} <= {"sh", "python", "text", "json", "http", "mermaid"}
    assert len(found) == len(re.findall(r"^```", text, re.MULTILINE)) / 2
