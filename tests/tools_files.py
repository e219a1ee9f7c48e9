"""Files of tools for tests, and the base that they stand on."""

import hashlib
from pathlib import Path

from vestry_service.replay_bound import Bound
from vestry_signatures import Policy
from vestry_verifier.tool_policy import ToolPolicy
from vestry_verifier.tools_file.book import ToolBook, read_book

BASE = ToolPolicy("open", Policy(), bound=Bound(100_000))
TOKEN = "vestry_tool_" + "a" * 43
OTHER_TOKEN = "vestry_tool_" + "b" * 43


def hashed(token: str = TOKEN) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def tool(
    *lines: str, name: str = "inventory", token: str = TOKEN, authorities: str = '["tool.example"]'
) -> str:
    """The text of one tool."""
    head = f'[tools.{name}]\ntokens = ["{hashed(token)}"]\nauthorities = {authorities}\n'
    return head + "\n".join(lines) + "\n"


def book(text: str, base: ToolPolicy = BASE) -> ToolBook:
    return read_book(text.encode(), base)


def the_tool(*lines: str, base: ToolPolicy = BASE, authorities: str = '["tool.example"]') -> ToolPolicy:
    """The one tool that has these lines."""
    [found] = book(tool(*lines, authorities=authorities), base).by_hash.values()
    return found


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def replaced(path: Path, text: str) -> None:
    """Put another file under the same name, as editors do."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def written(path: Path, text: str) -> None:
    """Write over what the file holds."""
    path.write_text(text)


def removed(path: Path) -> None:
    path.unlink()


def linked(path: Path, target: str) -> None:
    path.symlink_to(target)
