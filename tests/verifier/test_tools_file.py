"""The file of tools: what it can say, and that nothing wrong in it is overlooked or half believed."""

from dataclasses import replace

import pytest

from tools_files import BASE, OTHER_TOKEN, TOKEN, book, hashed, the_tool, tool
from vestry_service.errors import StartError
from vestry_service.limits import Rate
from vestry_service.replay_bound import Bound
from vestry_signatures import Policy
from vestry_verifier.tools_file.book import ToolsFileError, read_book

STRICT = replace(BASE, signatures=Policy(profiles=frozenset({"web-bot-auth"})))


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(ToolsFileError) as refused:
        read_book(text if isinstance(text, bytes) else text.encode(), BASE)
    assert isinstance(refused.value, StartError)
    assert all(problem in str(refused.value) for problem in refused.value.problems)
    return refused.value.problems


def test_everything_a_tool_can_say() -> None:
    """Each name has the effect that it says."""
    found = the_tool(
        'require = ["@method", "@path"]',
        'require_with_body = ["content-digest"]',
        'profiles = ["web-bot-auth"]',
        'mode = "observe"',
        'allow = ["agent-0123456789abcdef01234567", "*.bots.example"]',
        'deny = ["AGENT-ffffffffffffffffffffffff"]',
        'rate = "100/60"',
        "max_nonces = 10000",
        "explain = true",
        "[[tools.inventory.foreign]]",
        'hosts = ["bots.example", "*.bots.example:8443"]',
        'profiles = ["vestauth", "web-bot-auth"]',
        "[[tools.inventory.foreign]]",
        'hosts = ["*"]',
    )
    assert found.name == "inventory"
    assert found.authorities == {("https", "tool.example"), ("http", "tool.example")}
    assert [part.label for part in found.required] == ["@method", "@path"]
    assert [part.label for part in found.required_with_body] == ["content-digest"]
    assert found.signatures == STRICT.signatures
    assert (found.observes, found.may_explain) == (True, True)
    assert (found.rate, found.bound) == (Rate(100, 60), Bound(10000, ":inventory"))
    assert found.allow is not None
    assert (found.allow.uids, list(map(str, found.allow.hosts))) == (
        {"agent-0123456789abcdef01234567"}, ["*.bots.example"],
    )  # fmt: skip
    assert found.deny.uids == {"agent-ffffffffffffffffffffffff"}
    assert found.foreign is not None
    assert [sorted(rule.profiles) for rule in found.foreign] == [
        ["vestauth", "web-bot-auth"],
        ["web-bot-auth"],
    ]


def test_what_is_left_out_is_as_the_settings_have_it() -> None:
    """A tool that says no more than who it is and what it may ask about has the base's rules."""
    assert the_tool(base=STRICT) == replace(
        STRICT, name="inventory", authorities=frozenset({("https", "tool.example"), ("http", "tool.example")})
    )
    assert the_tool(authorities='"*"') == replace(BASE, name="inventory")


@pytest.mark.parametrize(
    ("written", "pairs"),
    [
        ("Tool.Example", {("https", "tool.example"), ("http", "tool.example")}),
        ("tool.example:443", {("https", "tool.example"), ("http", "tool.example:443")}),
        ("tool.example:80", {("https", "tool.example:80"), ("http", "tool.example")}),
        ("tool.example:08443", {("https", "tool.example:8443"), ("http", "tool.example:8443")}),
        ("[::1]:8443", {("https", "[::1]:8443"), ("http", "[::1]:8443")}),
    ],
)
def test_authorities_have_one_spelling(written: str, pairs: set[tuple[str, str]]) -> None:
    """A port that is named is that port; none is the default of the scheme."""
    assert the_tool(authorities=f'["{written}"]').authorities == pairs


def test_foreign_hosts_for_all_tools_and_for_one() -> None:
    """A tool without rules has the file's; one with rules of its own, even none, has those alone."""
    shared = '[[foreign]]\nhosts = ["*.bots.example"]\n'
    assert the_tool().foreign is None
    [found] = book(shared + tool()).by_hash.values()
    assert found.foreign_rule("a.bots.example") is not None
    assert found.foreign_rule("a.other.example") is None
    [found] = book(shared + tool("foreign = []")).by_hash.values()
    assert found.foreign == ()
    assert found.foreign_rule("a.bots.example") is None


def test_the_first_rule_about_a_host_counts() -> None:
    """So the special stands before the general."""
    lines = (
        "[[tools.inventory.foreign]]", 'hosts = ["old.bots.example"]', 'profiles = ["vestauth"]',
        "[[tools.inventory.foreign]]", 'hosts = ["*.bots.example"]',
    )  # fmt: skip
    rules = [the_tool(*lines).foreign_rule(f"{host}.bots.example") for host in ("old", "new")]
    assert [rule and sorted(rule.profiles) for rule in rules] == [["vestauth"], ["web-bot-auth"]]


def test_several_tools_several_tokens_and_a_default() -> None:
    """A tool may have two tokens while one takes over from the other."""
    text = (
        f'[default]\nauthorities = "*"\n[tools.a]\ntokens = ["{hashed()}", "{hashed(OTHER_TOKEN).upper()}"]\n'
    )
    found = book(text + 'authorities = ["a.example"]\n')
    assert {tool.name for tool in found.by_hash.values()} == {"a"}
    assert len(found.by_hash) == 2
    assert found.default is not None
    assert (found.default.name, found.default.authorities) == ("default", None)
    assert found.names == ["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["it names no tool"]),
        ("[tools]", ["it names no tool"]),
        ("[[foreign]]\nhosts=['*']", ["it names no tool"]),
        ("[tools.a]", ["tools.a.tokens is missing", "tools.a.authorities is missing"]),
        ("[default]", ["default.authorities is missing"]),
        ("[default]\ntokens = []\nauthorities = '*'", ["default.tokens is not a name that is known here"]),
        ("tools = 1", ["tools must be tables like [tools.name]", "it names no tool"]),
        ("tools.a = 1", ["tools.a must be a table", "it names no tool"]),
        ("default = 1", ["default must be a table", "it names no tool"]),
        ("colour = 1\n" + tool(), ["colour is not a name that is known here"]),
        (tool("denny = ['agent-0123456789abcdef01234567']"), ["tools.inventory.denny is not a name that is known"]),
        (tool(name="Big"), ["tools.Big must be named with"]),
        (tool(name="default"), ["tools.default must be named with"]),
        (tool(authorities="[]"), ["tools.inventory.authorities is empty"]),
        (tool(authorities="1"), ["tools.inventory.authorities must be a list"]),
        (tool(authorities="['*']"), ["tools.inventory.authorities entry 1 must be a host"]),
        (tool(authorities="['a.example', 'https://b.example']"), ["authorities entry 2 must be a host"]),
        (tool(authorities="['a.example.']"), ["authorities entry 1 must be a host"]),
        (tool(authorities="['a.example/x']"), ["authorities entry 1 must be a host"]),
        (tool(authorities="['b\u00fccher.example']"), ["authorities entry 1 must be a host"]),
        (tool("require = []"), ["require is empty"]),
        (tool("require = ['@status']"), ["require entry 1 must be one of"]),
        (tool("require = '@method'"), ["require must be a list of texts"]),
        (tool("profiles = ['registration']"), ["profiles entry 1 must be one of vestauth, web-bot-auth"]),
        (tool("profiles = []"), ["profiles is empty"]),
        (tool("mode = 'off'"), ["mode must be one of enforce, observe"]),
        (tool("mode = true"), ["mode must be one of"]),
        (tool("allow = ['agent-0123']"), ["allow entry 1 must be agent- and 24 digits"]),
        (tool("allow = 'agent-0123456789abcdef01234567'"), ["allow must be a list"]),
        (tool("deny = ['agent-0123456789abcdef01234567.agents.example']"), ["deny entry 1 is one of our own"]),
        (tool("rate = 100"), ["rate must be in quotes"]),
        (tool("rate = '100'"), ["rate must be off, or REQUESTS/SECONDS"]),
        (tool("rate = '0/60'"), ["rate must be off, or REQUESTS/SECONDS"]),
        (tool("max_nonces = 0"), ["max_nonces must be a whole number from 1"]),
        (tool("max_nonces = true"), ["max_nonces must be a whole number from 1"]),
        (tool("max_nonces = '10'"), ["max_nonces must be a whole number from 1"]),
        (tool("explain = 1"), ["explain must be true or false"]),
        (tool("foreign = 1"), ["foreign must be tables like [[tools.inventory.foreign]]"]),
        (tool("[[tools.inventory.foreign]]"), ["tools.inventory.foreign[1].hosts is missing"]),
        (tool("[[tools.inventory.foreign]]", "hosts=['*.']"), ["foreign[1].hosts entry 1 must be a host"]),
        (tool("[[tools.inventory.foreign]]", "hosts=['*']", "x=1"), ["foreign[1].x is not a name"]),
        (tool() + tool(name="other"), ["tools.other.tokens has a token of tools.inventory"]),
        ("[tools.a]\ntokens = []\nauthorities = '*'", ["tools.a.tokens is empty"]),
        ("[tools.a]\ntokens = ['x']\nauthorities = '*'", ["tools.a.tokens entry 1 must be the SHA-256"]),
        ("[tools.a]\ntokens = [1]\nauthorities = '*'", ["tools.a.tokens must be a list of texts"]),
        ("[tools.a\n", ["it is not TOML"]),
        ("[tools.a]\n[tools.a]", ["it is not TOML"]),
        (b"\xff", ["it is not TOML: it is not UTF-8 text"]),
        ("a = " + "[" * 100_000, ["it is not TOML"]),
        ("a = " + "9" * 5000, ["it is not TOML: a number in it is too long"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text: str | bytes, expected: list[str]) -> None:
    """All of it, and nothing that is not wrong."""
    found = problems(text)
    assert len(found) == len(expected), found
    assert all(part in whole for part, whole in zip(expected, found, strict=True)), found


def test_everything_wrong_is_said_at_once() -> None:
    """In one message for the person who starts the service."""
    text = tool("mode = 1", "rate = 1", "x = 1") + '[default]\nauthorities = ["a b"]\n'
    assert len(problems(text)) == 4


def test_a_profile_that_the_settings_leave_out_cannot_come_back() -> None:
    """The file may be stricter than the settings and never laxer."""
    with pytest.raises(ToolsFileError, match="profiles entry 1 must be one of web-bot-auth"):
        book(tool('profiles = ["vestauth"]'), STRICT)


@pytest.mark.parametrize("value", [TOKEN, "f" * 63 + "g", TOKEN.upper(), "pass word"])
def test_a_token_in_the_file_is_not_repeated(value: str) -> None:
    """Who writes the token where its hash belongs is told so, without the token."""
    [found] = problems(f'[tools.a]\ntokens = ["{value}"]\nauthorities = "*"\n')
    assert value not in found
    assert "SHA-256" in found


def test_the_hash_of_nothing_is_refused() -> None:
    """An empty token is nobody's, whatever the file says."""
    assert "nothing at all" in problems(f'[tools.a]\ntokens = ["{hashed("")}"]\nauthorities = "*"\n')[0]
