"""The documents of the project, read by machine: their blocks, tables and links, and how their commands are run.

A document is a story that is run from its top to its end, by one shell in one folder:

- a block `sh` is run as it is. One whose first line begins with `# By hand` is for a person alone: it is left out
  here, and a test lists every such block there is;
- a block `python` whose first line is a comment with a file's name, `# tool.py`, becomes that file; any other is run;
- a block `text` or `json` straight after one that is run shows what that prints. What is random in it (uids, keys,
  signatures, times) may differ, nothing else.

The commands are those of a reader: ports are exchanged for those of the stack that the test has started, and `npx
vestauth` is the released client that is installed already.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BY_HAND = "# By hand"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_RANDOM = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"(agent|tool)-[0-9a-f]{24}"), r"\1-UID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "REQUEST"),
    (re.compile(r"[A-Za-z0-9_-]{86}|[A-Za-z0-9+/]{86}=="), "BYTES"),
    (re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"), "KEY"),
    (re.compile(r"\b1[0-9]{9}\b"), "TIME"),
    (re.compile(r"created [0-9]+ s ago, expires in [0-9]+ s"), "created AGO"),
    (re.compile(r'("duration_ms": ?)[0-9.]+'), r"\1MS"),
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str

    @property
    def by_hand(self) -> bool:
        return self.text.startswith(BY_HAND)

    @property
    def is_run(self) -> bool:
        return self.language in {"sh", "python"} and not self.by_hand


def documents() -> list[Path]:
    """Every document that users read."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks that name their language, in order."""
    return [Block(*found) for found in _BLOCK.findall(text)]


def links(text: str) -> list[str]:
    """Return the targets of links outside of fenced blocks."""
    return _LINK.findall(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(text: str) -> set[str]:
    """Return the anchors that the headings of a document make."""
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(text: str, first: str) -> list[list[str]]:
    """Return the cells of the table whose first heading is `first`, its heading and rule left out."""
    found: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            inside = False
        elif cells[0] == first:
            inside = True
        elif inside and not set(line) <= set("|-: "):
            found.append(cells)
    assert found, f"no table begins with {first!r}"
    return found


def codes(cell: str) -> list[str]:
    """Return what stands in code marks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def plain(text: str) -> object:
    """Return a text with everything random exchanged for its kind; JSON as what it means."""
    for pattern, kind in _RANDOM:
        text = pattern.sub(kind, text)
    text = "\n".join(line.rstrip() for line in text.strip().splitlines())
    try:
        return json.loads(re.sub(r"(?<=[ :\[])(TIME|MS)\b", "0", text))
    except ValueError:
        return text


@dataclass(frozen=True)
class Shown:
    """What a document says that a block prints, and what it printed."""

    block: Block
    expected: str
    printed: str


def run(story: Sequence[Block], folder: Path, ports: Mapping[str, int], path: Sequence[Path]) -> list[Shown]:
    """Run the blocks of a document in `folder` and return what it shows beside what was printed.

    Args:
        story: the blocks, in order.
        folder: where the shell runs; files of the document are made here.
        ports: what stands for each port of the text.
        path: folders in front of PATH.
    """
    story = [Block(block.language, _exchanged(block.text, ports)) for block in story]
    ran = [block for block in story if block.is_run]
    script = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(
        f"{{ {_command(block)}\n}} >{shlex.quote(str(folder / f'{number}.printed'))} 2>&1"
        for number, block in enumerate(ran)
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]]), "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    printed = [_printed(folder / f"{number}.printed") for number in range(len(ran))]
    assert done.returncode == 0, f"{done.stderr}\n{[text for text in printed if text][-1:]}"
    return list(_shown(story, printed))


def _exchanged(text: str, ports: Mapping[str, int]) -> str:
    for port, other in ports.items():
        text = re.sub(rf"\b{port}\b", str(other), text)
    return text


def _command(block: Block) -> str:
    if block.language == "sh":
        return block.text
    name = re.match(r"# (\S+\.py)\n", block.text)
    quoted = shlex.quote(block.text)
    return f"printf %s {quoted} >{name[1]}" if name else f"python -c {quoted}"


def _printed(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _shown(story: Sequence[Block], printed: Sequence[str]) -> Iterator[Shown]:
    number = -1
    for before, block in zip([None, *story], story, strict=False):
        number += block.is_run
        if before is not None and before.is_run and block.language in {"text", "json"}:
            yield Shown(before, block.text, printed[number])
