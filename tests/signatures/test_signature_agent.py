"""Which agent a signature says it is from: every form in the wild, and whose member it is."""

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

import vectors
from signing import AGENT
from vestry_signatures import fields, signature_agent
from vestry_signatures.errors import InvalidSignatureAgent
from vestry_signatures.signature import read_components
from vestry_signatures.signature_agent import AgentField, AgentMember, covered_member, read_agent_field


def _header_vectors() -> Iterator[tuple[str, Any]]:
    for case in vectors.load("cloudflare-web-bot-auth/web_bot_auth_signature_agent_v1.json"):
        yield case["name"], case


@pytest.mark.parametrize("case", vectors.cases(_header_vectors))
def test_header_vectors_of_cloudflare(case: dict[str, Any]) -> None:
    """Every member is found under its key, with its URL and what type of document stands there."""
    field = read_agent_field(case["header"])
    assert field.bare is None
    assert list(field.members) == [entry["label"] for entry in case["entries"]]
    for entry in case["entries"]:
        member = field.members[entry["label"]]
        assert (member.value, member.is_token) == (entry["uri"], False)
        kind = member.parameters.get("type", fields.Token("directory"))
        assert (type(kind), str(kind)) == (fields.Token, entry["type"])


def _quoted(value: str, **parameters: object) -> AgentMember:
    return AgentMember(value, is_token=False, parameters=parameters)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (f'sig1="{AGENT}"', AgentField({"sig1": _quoted(AGENT)}, None)),
        ('sig1="https://uid.host/"', AgentField({"sig1": _quoted("https://uid.host/")}, None)),
        ("sig1=uid.host", AgentField({"sig1": AgentMember("uid.host", is_token=True, parameters={})}, None)),
        ('sig1="a";type=jwks_uri', AgentField({"sig1": _quoted("a", type=fields.Token("jwks_uri"))}, None)),
        ('sig1="a\\"b"', AgentField({"sig1": _quoted('a"b')}, None)),
        ('b="1", a="2"', AgentField({"b": _quoted("1"), "a": _quoted("2")}, None)),
        ('"https://uid.host"', AgentField({}, _quoted("https://uid.host"))),
        ('"https://uid.host";type=x', AgentField({}, _quoted("https://uid.host", type=fields.Token("x")))),
        ('sig1=""', AgentField({"sig1": _quoted("")}, None)),
        ("", AgentField({}, None)),
    ],
)
def test_forms_in_the_wild(value: str, field: AgentField) -> None:
    """Dictionary of strings, of tokens, with parameters, and the bare string of older drafts."""
    read = read_agent_field(value)
    assert read == field
    assert [type(member.value) for member in read.members.values()] == [str] * len(read.members)


@pytest.mark.parametrize(
    "value",
    [
        "https://uid.host",
        "sig1=1",
        "sig1=?1",
        "sig1",
        "sig1=:YQ==:",
        'sig1=("a" "b")',
        'sig1="a", sig1="b"',
        'sig1="a", sig2="b", sig1="a"',
        'sig1="a";type=x;type=y',
        '"a", "b"',
        '"a" "b"',
        '"a", sig1="b"',
        'sig1="a", "b"',
        '"a',
        "'a'",
        'Sig1="a"',
        'sig1="é"',
        'sig1="a",',
        "1",
        "(a)",
        ";",
    ],
)
def test_forms_that_are_none(value: str) -> None:
    """A number, a list, a key given twice or mixed forms name no agent, for two readers might see two."""
    with pytest.raises(InvalidSignatureAgent):
        read_agent_field(value)


def test_the_field_has_a_limit() -> None:
    """8192 characters and sixteen members are read; one more of either is refused before it costs anything."""
    longest = f'sig1="{"a" * 8185}"'
    assert len(longest) == 8192
    assert read_agent_field(longest).members["sig1"].value == "a" * 8185
    with pytest.raises(InvalidSignatureAgent), mock.patch.object(fields, "parse_dictionary") as parse:
        read_agent_field(f'sig1="{"a" * 8186}"')
    parse.assert_not_called()
    members = [f'a{number}="b"' for number in range(17)]
    assert len(read_agent_field(", ".join(members[:16])).members) == 16
    with pytest.raises(InvalidSignatureAgent):
        read_agent_field(", ".join(members))


BARE = '"https://bare.example"'
TWO = 'sig1="https://one.example", agent2="https://two.example"'


@pytest.mark.parametrize(
    ("header", "covered", "value"),
    [
        (TWO, '("@authority")', None),
        (TWO, '("@authority" "signature-agent";key="sig1")', "https://one.example"),
        (TWO, '("@authority" "signature-agent";key="agent2")', "https://two.example"),
        (TWO, '("signature-agent";key="agent2" "signature-agent";key="sig1")', "https://one.example"),
        (TWO, '("signature-agent";key="sig1";sf)', "https://one.example"),
        (TWO, '("signature-agent";key="absent")', None),
        (TWO, '("signature-agent")', "https://one.example"),
        (TWO, '("signature-agent";sf)', None),
        (TWO, '("signature-agent" "signature-agent";key="agent2")', "https://two.example"),
        (BARE, '("signature-agent")', "https://bare.example"),
        (BARE, '("@authority")', None),
        (BARE, '("signature-agent";key="sig1")', None),
        (BARE, '("signature-agent";bs)', None),
    ],
)
def test_the_covered_member(header: str, covered: str, value: str | None) -> None:
    """The member keyed to the label, else the only one covered; the bare string where the whole field is covered."""
    items, _ = fields.parse_dictionary(f"sig1={covered}")["sig1"]
    member = covered_member(read_agent_field(header), "sig1", read_components(items))
    assert (member and member.value) == value


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (f'agent2="{AGENT}"', AGENT),
        (f'a="http://a.example", sig1="{AGENT}"', AGENT),
        ('a="1", b="2"', None),
        ("", None),
    ],
)
def test_the_whole_field_covered(header: str, value: str | None) -> None:
    """Every member is covered then: the one keyed to the label, else the only one, else nobody can be meant."""
    covered = read_components([("@authority", {}), ("signature-agent", {})])
    field = read_agent_field(header)
    if len(field.members) == 2 and value is None:
        with pytest.raises(InvalidSignatureAgent):
            covered_member(field, "sig1", covered)
    else:
        member = covered_member(field, "sig1", covered)
        assert (member and member.value) == value


@pytest.mark.parametrize("keys", [("a", "b"), ("agent2", "a"), ("a", "agent2")])
def test_several_covered_members_are_nobody(keys: tuple[str, str]) -> None:
    """With two members covered and neither keyed to the label, no order decides who signed."""
    covered = read_components([("signature-agent", {"key": key}) for key in keys])
    with pytest.raises(InvalidSignatureAgent):
        covered_member(read_agent_field(TWO), "sig1", covered)


def test_the_pattern_is_asked_first() -> None:
    """The common form never reaches the full parser."""
    with mock.patch.object(signature_agent.fields, "parse_dictionary") as parse:
        read_agent_field(f'sig1="{AGENT}"')
    parse.assert_not_called()
