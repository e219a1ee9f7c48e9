"""The whole file: whose token is which, and what each tool accepts.

1. `[tools.NAME]` is a tool with tokens of its own.
2. `[default]` is who asks without a token. Where there is none, nobody does.
3. `[[foreign]]` says which foreign hosts are believed, for every tool that has no `foreign` of its own.

What the file does not say of a tool is as the service's settings have it. A tool may be stricter than they are and
never laxer: a profile that `PROFILES` leaves out cannot come back.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vestry_service.errors import StartError
from vestry_service.replay_bound import Bound
from vestry_signatures import Policy
from vestry_signatures.coverage import read_required
from vestry_signatures.profiles import STRICTEST_FIRST
from vestry_verifier.agent_list import AgentList, agent_list, read_entry
from vestry_verifier.host_pattern import read_host_pattern
from vestry_verifier.tool_policy import ForeignRule, ToolPolicy
from vestry_verifier.tools_file import values
from vestry_verifier.tools_file.table import Table

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
DEFAULT: Final = "default"
FOREIGN_PROFILES: Final = ("web-bot-auth",)
"""What a foreign host may use where its rule does not say: an uncovered Signature-Agent is safe for ours alone."""

_COMPONENTS: Final = values.list_of(read_required)


class ToolsFileError(StartError):
    """The file is not to be believed; the text lists everything wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            "TOOLS_FILE cannot be used, this must be mended:\n" + "\n".join(f"  {p}" for p in problems)
        )
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ToolBook:
    """The tools of one file.

    Attributes:
        default: who asks without a token, or None where nobody may.
        by_hash: tools by the SHA-256 of a token of theirs.
    """

    default: ToolPolicy | None
    by_hash: Mapping[bytes, ToolPolicy]

    @property
    def names(self) -> list[str]:
        """Name the tools that have tokens."""
        return sorted({tool.name for tool in self.by_hash.values()})


def read_book(data: bytes, base: ToolPolicy) -> ToolBook:
    """Read the bytes of a file.

    Args:
        data: TOML in UTF-8.
        base: what counts where the file says nothing.

    Raises:
        ToolsFileError: anything is wrong with it.
    """
    problems: list[str] = []
    try:
        file = Table(tomllib.loads(data.decode()), "", problems)
    except (ValueError, RecursionError) as error:
        raise ToolsFileError([f"it is not TOML: {_placed(error)}"]) from None
    base = replace(base, foreign=_foreign(file, base))
    default = file.table(DEFAULT)
    named = file.tables("tools")
    book = ToolBook(
        None if default is None else _tool(DEFAULT, default, base),
        _by_hash([(_tokens(table), _named_tool(name, table, base)) for name, table in named], problems),
    )
    if default is None and not named:
        problems.append("it names no tool: write [tools.NAME], or [default] for whoever asks without a token")
    for table in (file, *filter(None, [default]), *(table for _, table in named)):
        table.close()
    if problems:
        raise ToolsFileError(problems)
    return book


def _placed(error: Exception) -> str:
    """Say what is wrong and where, without what stands there."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a number in it is too long"


def _tokens(table: Table) -> tuple[bytes, ...]:
    return table.need("tokens", values.list_of(values.token_hash), ())


def _by_hash(
    tools: list[tuple[tuple[bytes, ...], ToolPolicy]], problems: list[str]
) -> dict[bytes, ToolPolicy]:
    found: dict[bytes, ToolPolicy] = {}
    for tokens, tool in tools:
        for token in tokens:
            other = found.setdefault(token, tool)
            if other is not tool:
                problems.append(f"tools.{tool.name}.tokens has a token of tools.{other.name}")
    return found


def _named_tool(name: str, table: Table, base: ToolPolicy) -> ToolPolicy:
    if name == DEFAULT or not NAME.fullmatch(name):
        table.complain("", "must be named with 1 to 63 of a-z, 0-9, _ and -, and not default")
    return _tool(name, table, base)


def _tool(name: str, table: Table, base: ToolPolicy) -> ToolPolicy:
    bound = table.take("max_nonces", values.most_nonces, None)
    return ToolPolicy(
        name=name,
        signatures=_signatures(table, base.signatures),
        authorities=table.need("authorities", values.authorities, None),
        required=table.take("require", _COMPONENTS, ()),
        required_with_body=table.take("require_with_body", _COMPONENTS, ()),
        observes=table.take("mode", values.word_of("enforce", "observe"), "enforce") == "observe",
        allow=table.take("allow", _agents, None),
        deny=table.take("deny", _agents, AgentList()),
        foreign=_foreign(table, base),
        rate=table.take("rate", values.rate, None),
        bound=base.bound if bound is None else Bound(bound, f":{name}"),
        may_explain=table.take("explain", values.switch, False),
    )


def _signatures(table: Table, base: Policy) -> Policy:
    known = sorted(base.profiles)
    return replace(base, profiles=frozenset(table.take("profiles", _profiles(known), known)))


def _profiles(known: Sequence[str]) -> Callable[[object], tuple[str, ...]]:
    return values.list_of(values.word_of(*known))


def _agents(value: object) -> AgentList:
    return agent_list(values.list_of(read_entry, empty=True)(value))


def _foreign(table: Table, base: ToolPolicy) -> tuple[ForeignRule, ...] | None:
    rules = table.array("foreign")
    return base.foreign if rules is None else tuple(_foreign_rule(rule) for rule in rules)


def _foreign_rule(table: Table) -> ForeignRule:
    hosts = table.need("hosts", values.list_of(read_host_pattern), ())
    profiles = table.take("profiles", _profiles(STRICTEST_FIRST), FOREIGN_PROFILES)
    table.close()
    return ForeignRule(hosts, frozenset(profiles))
