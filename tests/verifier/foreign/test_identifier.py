"""From a member of Signature-Agent to one identifier and one directory, by the rules of either draft."""

from typing import Any

import pytest

import vectors
from vestry_signatures.errors import InvalidSignatureAgent, SignatureError, UntrustedSignatureAgent
from vestry_signatures.fields import Token
from vestry_signatures.signature_agent import AgentMember, read_agent_field
from vestry_verifier.foreign.identifier import IETF, MEUNIER, Identifiers, directory_of

WELL_KNOWN = "/.well-known/http-message-signatures-directory"
BOTH = Identifiers([MEUNIER, IETF], "agents.example")
OLD = Identifiers([MEUNIER], "agents.example")
NEW = Identifiers([IETF], "agents.example")


def named(value: str, *, is_token: bool = False, **parameters: object) -> AgentMember:
    return AgentMember(value, is_token, dict(parameters))


def found(who: Identifiers, member: AgentMember) -> tuple[str, str, str] | None:
    """uid, identifier and directory; None where the member names nobody."""
    try:
        agent = who.identify(member)
    except InvalidSignatureAgent:
        return None
    return agent.uid, agent.url, agent.directory_url


DIRECTORY = ("bot.example", "https://bot.example", f"https://bot.example{WELL_KNOWN}")
ROOT = ("bot.example", "https://bot.example/", "https://bot.example/")
JWKS = ("bot.example/jwks.json",) + ("https://bot.example/jwks.json",) * 2
WELL_KNOWN_ITSELF = ("bot.example",) + (f"https://bot.example{WELL_KNOWN}",) * 2


@pytest.mark.parametrize(
    ("member", "old", "new", "both"),
    [
        (named("https://bot.example"), DIRECTORY, ROOT, DIRECTORY),
        (named("https://bot.example/"), DIRECTORY, ROOT, DIRECTORY),
        (named("bot.example", is_token=True), DIRECTORY, ROOT, DIRECTORY),
        (named("https://bot.example", type=Token("directory")), DIRECTORY, None, DIRECTORY),
        (named("https://bot.example/jwks.json"), None, JWKS, JWKS),
        (named("https://bot.example/jwks.json", type=Token("directory")), None, None, None),
        (named("https://bot.example/jwks.json", type=Token("jwks_uri")), JWKS, None, JWKS),
        (named("https://bot.example/jwks.json", type="jwks_uri"), None, None, None),
        (named("https://bot.example/card", type=Token("cimd")), None, None, None),
        (named("https://bot.example", type=Token("cimd")), None, None, None),
        (named("https://bot.example", type=Token("Directory")), None, None, None),
        (named("https://bot.example", type=True), None, None, None),
        (named("https://bot.example", x=1), DIRECTORY, None, DIRECTORY),
        (named("https://bot.example/jwks.json", x=1), None, None, None),
        (named(f"https://bot.example{WELL_KNOWN}"), None, WELL_KNOWN_ITSELF, WELL_KNOWN_ITSELF),
    ],
)
def test_forms_of_either_draft(member: AgentMember, old: Any, new: Any, both: Any) -> None:
    """Each form is read by the drafts that know it, and ignored by the others."""
    assert (found(OLD, member), found(NEW, member), found(BOTH, member)) == (old, new, both)


def test_without_a_draft() -> None:
    """Where no draft is on, nobody is named."""
    assert found(Identifiers([], "agents.example"), named("https://bot.example")) is None


@pytest.mark.parametrize(
    ("value", "strict"),
    [
        ("https://bot.example", True),
        (f"https://bot.example{WELL_KNOWN}", True),
        (f"https://bot.example{WELL_KNOWN}?x", True),
        ("https://bot.example/.WELL-known/http-message-signatures-directory", False),
        ("https://bot.example/jwks", False),
    ],
)
def test_where_the_kid_must_be_the_thumbprint(value: str, strict: bool) -> None:
    """At the well-known path, however it was come to."""
    assert directory_of(BOTH.identify(named(value)).directory_url).well_known is strict


@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        ("HTTPS://Bot.Example:443/a", "https://bot.example/a"),
        ("https://bot.example:0443/a", "https://bot.example/a"),
        ("https://bot.example:8443/a", "https://bot.example:8443/a"),
        ("https://bot.example:80/a", "https://bot.example:80/a"),
        ("https://bot.example/%61%7e%2f%c3%a9", "https://bot.example/a~%2F%C3%A9"),
        ("https://bot.example/x/../a/./b", "https://bot.example/a/b"),
        ("https://bot.example/x/%2e%2E/a", "https://bot.example/a"),
        ("https://bot.example/../../a/..", "https://bot.example/"),
        ("https://bot.example/a//b", "https://bot.example/a//b"),
        ("https://bot.example/a?tenant=1", "https://bot.example/a"),
        ("https://[2001:DB8:0:0::1]:443/a", "https://[2001:db8::1]/a"),
        ("https://[::ffff:1.2.3.4]/a", "https://[::ffff:102:304]/a"),
        ("https://xn--bt-jia.example/a", "https://xn--bt-jia.example/a"),
        ("https://192.0.2.1:8443/a", "https://192.0.2.1:8443/a"),
    ],
)
def test_one_spelling_for_each_identifier(spelling: str, normal: str) -> None:
    """Whatever the case, port, escapes and dots, one agent has one identifier, without the query."""
    assert NEW.identify(named(spelling)).url == normal


def test_the_query_is_fetched_and_names_nobody() -> None:
    """It goes to the host as it was sent, and is no part of who the agent is; nor does it make the agent the host."""
    agent = NEW.identify(named("https://bot.example/?tenant=%7Eme"))
    assert agent == ("bot.example/", "https://bot.example/", "https://bot.example/?tenant=~me", True)
    directory = directory_of(agent.directory_url)
    assert directory == (agent.directory_url, "bot.example", False, False)


@pytest.mark.parametrize(
    "value",
    [
        "http://bot.example",
        "http://bot.example:443",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "ftp://bot.example",
        "data:application/json,{}",
        "https://",
        "https://bot.example.",
        "https://bot.example.:443",
        "https://user@bot.example",
        "https://user:password@bot.example",
        "https://bot.example@evil.example",
        "https://bot.example#fragment",
        "https://bot.example\\@evil.example",
        "https://bot.example:99999",
        "https://bot.example:0",
        "https://bot.example:+443",
        "https://bot.example:443:443",
        "https://bot%2eexample",
        "https://bot_x.example",
        "https://-bot.example",
        "https://bot-.example",
        "https://bot..example",
        "https://" + "a" * 64 + ".example",
        "https://" + "a." * 130 + "example",
        "https://bot.example/%",
        "https://bot.example/%zz",
        "https://bot.example/a b",
        "https://b\u043et.example",
        "https://bot.example\u3002evil.example",
        "https://bot.example/" + "a" * 1024,
        # addresses in forms that some read as an address and others as a name
        "https://2130706433",
        "https://0x7f000001",
        "https://0x7f.0.0.1",
        "https://0177.0.0.1",
        "https://127.1",
        "https://127.0.1",
        "https://127.0.0.01",
        "https://256.1.1.1",
        "https://1.2.3.4.5",
        "https://evil.example.1",
        "https://evil.0x",
        "https://[::1%25eth0]",
        "https://[::1",
        "https://[1.2.3.4]",
        "https://[::g]",
    ],
)
def test_what_is_no_identifier(value: str) -> None:
    """What can be read in two ways, or leads away from https, names nobody by any draft."""
    with pytest.raises(SignatureError):
        BOTH.identify(named(value))
    assert found(BOTH, named(value)) is None


@pytest.mark.parametrize(
    "value", ["http://localhost:4567", "http://a.localhost", "http://127.0.0.1:8080", "http://[::1]:8080"]
)
def test_plain_http_on_this_machine(value: str) -> None:
    """Plain http is for a developer's own machine."""
    assert BOTH.identify(named(value)).url == value


@pytest.mark.parametrize(
    "value",
    [
        "https://agents.example",
        "https://agents.example:8443",
        "https://x.agents.example",
        "https://agent-0123456789abcdef01234567.agents.example:8443",
        "https://agent-0123456789abcdef01234567",
        "https://agent-0123456789abcdef01234567:8443/jwks",
        "https://tool-0123456789abcdef01234567",
    ],
)
def test_what_can_only_be_ours(value: str) -> None:
    """Nothing under the registrar's host is foreign, at no port, and no host is called as our agents are."""
    with pytest.raises(UntrustedSignatureAgent):
        BOTH.identify(named(value))


def test_another_registrar_on_a_developers_machine() -> None:
    """On localhost ports tell registrars apart."""
    here = Identifiers([MEUNIER, IETF], "localhost:3000")
    another = "agent-0123456789abcdef01234567.localhost:3100"
    assert here.identify(named(f"http://{another}")).uid == another
    for ours in ("http://localhost:3000/jwks", "http://x.localhost:3000"):
        with pytest.raises(UntrustedSignatureAgent):
            here.identify(named(ours))


@pytest.mark.parametrize(
    "case",
    vectors.cases(
        lambda: (
            (case["name"], case)
            for case in vectors.load("cloudflare-web-bot-auth/web_bot_auth_signature_agent_v1.json")
        )
    ),
)
def test_headers_of_cloudflares_vectors(case: dict[str, Any]) -> None:
    """Their headers are read as they mean them: an origin, a JWK Set, and a type that is not known here."""
    members = read_agent_field(case["header"]).members
    for entry in case["entries"]:
        agent = found(OLD, members[entry["label"]])
        wanted = {"directory": f"{entry['uri']}{WELL_KNOWN}", "jwks_uri": entry["uri"], "cimd": None}
        assert (agent[2] if agent else None) == wanted[entry["type"]]
