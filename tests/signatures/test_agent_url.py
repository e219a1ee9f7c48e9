"""Every spelling of an agent of ours is that agent; every other URL is somebody else's or nobody's."""

import pytest

from vestry_signatures.agent_url import AgentUrls
from vestry_signatures.errors import InvalidSignatureAgent, UntrustedSignatureAgent
from vestry_signatures.signature_agent import AgentMember

UID = "agent-0123456789abcdef01234567"
LOCAL = AgentUrls("http", "localhost:3000")
PUBLIC = AgentUrls("https", "agents.example")


def uid_of(agents: AgentUrls, value: str, is_token: bool = False) -> str:
    """The uid of a member of Signature-Agent, or the reason."""
    try:
        return agents.uid_of(AgentMember(value, is_token=is_token, parameters={}))
    except (InvalidSignatureAgent, UntrustedSignatureAgent) as error:
        return error.reason


@pytest.mark.parametrize(
    ("agents", "value"),
    [
        (LOCAL, f"http://{UID}.localhost:3000"),
        (LOCAL, f"http://{UID}.localhost:3000/"),
        (LOCAL, f"https://{UID}.localhost:3000"),
        (LOCAL, f"HTTP://{UID.upper()}.LOCALHOST:03000/a?b"),
        (LOCAL, f"http://localhost:3000/agents/{UID}"),
        (LOCAL, f"https://localhost:3000/agents/{UID}/.well-known/http-message-signatures-directory"),
        (PUBLIC, f"https://{UID}.agents.example"),
        (PUBLIC, f"http://{UID}.agents.example:80"),
        (PUBLIC, f"https://{UID}.agents.example:443/jwks.json?x"),
        (PUBLIC, f"https://{UID}.agents.example/" + "a" * 4000),
        (PUBLIC, f"https://agents.example/agents/{UID}/"),
    ],
)
def test_every_spelling_is_one_agent(agents: AgentUrls, value: str) -> None:
    """Scheme, case, default port and path make no second agent, asked once or twice."""
    assert [uid_of(agents, value) for _ in range(2)] == [UID, UID]


@pytest.mark.parametrize(
    ("agents", "value"),
    [
        (LOCAL, f"{UID}.localhost:3000"),
        (LOCAL, f"http://{UID}.localhost:3000"),
        (PUBLIC, f"{UID}.agents.example"),
        (PUBLIC, f"{UID}.AGENTS.example:443/x"),
        (PUBLIC, f"agents.example/agents/{UID}"),
    ],
)
def test_a_token_takes_our_scheme(agents: AgentUrls, value: str) -> None:
    """Older clients write the host alone, as a token; the same text as a string is no URL."""
    assert uid_of(agents, value, is_token=True) == UID
    if "://" not in value:
        assert uid_of(agents, value) == "INVALID_SIGNATURE_AGENT"


@pytest.mark.parametrize(
    "value",
    [
        "https://agents.example",
        "https://agents.example/",
        f"https://agents.example/{UID}",
        f"https://agents.example/agents/{UID.upper()}",
        f"https://agents.example/agents/{UID}x",
        f"https://agents.example//agents/{UID}",
        f"https://agents.example/x/../agents/{UID}",
        f"https://agents.example/agents/%61gent-{UID[6:]}",
        f"https://agents.example?/agents/{UID}",
        f"https://{UID}.agents.example:8443",
        f"http://{UID}.agents.example:443",
        f"https://{UID}.agents.example.evil.example",
        f"https://{UID}agents.example",
        f"https://x.{UID}.agents.example",
        f"https://{UID}x.agents.example",
        f"https://{UID[:-1]}.agents.example",
        f"https://{UID[:-1]}g.agents.example",
        f"https://evil.example/{UID}.agents.example",
        f"https://evil.example/agents/{UID}",
        f"https://tool-{UID[6:]}.agents.example",
        f"https://{UID}",
        "https://.agents.example",
    ],
)
def test_somebody_else(value: str) -> None:
    """A host that is no agent's of ours is not believed, however close it looks."""
    assert uid_of(PUBLIC, value) == "UNTRUSTED_SIGNATURE_AGENT"


@pytest.mark.parametrize(
    "value",
    [
        "",
        UID,
        f"//{UID}.agents.example",
        f"ftp://{UID}.agents.example",
        f"https://user@{UID}.agents.example",
        f"https://{UID}.agents.example.",
        f"https://{UID}.agents.example.:443/",
        f"https://agents.example./agents/{UID}",
        f"https://{UID}.agents.example#x",
        f"https://{UID}.agents.example\\@evil.example",
        f"https://{UID}.agents.example/\\x",
        f" https://{UID}.agents.example",
        f"https://{UID}.agents.example\n",
        f"https://{UID}.agents.example:99999",
        f"https://{UID}.agent\u017f.example",
    ],
)
def test_no_url_of_an_agent(value: str) -> None:
    """What is no http or https URL, or can be read in two ways, names nobody."""
    assert uid_of(PUBLIC, value) == "INVALID_SIGNATURE_AGENT"


def test_what_is_written() -> None:
    """The one spelling that is answered, and the directory below it."""
    assert LOCAL.url(UID) == f"http://{UID}.localhost:3000"
    assert (
        PUBLIC.directory_url(UID)
        == f"https://{UID}.agents.example/.well-known/http-message-signatures-directory"
    )
    assert uid_of(LOCAL, LOCAL.url(UID)) == UID


@pytest.mark.parametrize(
    ("authority", "uid"),
    [
        (f"{UID}.agents.example", UID),
        ("agents.example", None),
        (f"{UID}.agents.example.", None),
        (UID, None),
        (f"a.{UID}.agents.example", None),
        ("tool-0123456789abcdef01234567.agents.example", None),
    ],
)
def test_an_authority_is_an_agents_or_not(authority: str, uid: str | None) -> None:
    """The registrar asks whose host a request came for."""
    assert PUBLIC.uid_of_authority(authority) == uid


def test_long_urls_are_not_kept() -> None:
    """Strangers choose what stands behind a host of ours: only short spellings are remembered."""
    agents = AgentUrls("https", "agents.example")
    for number in range(100):
        assert uid_of(agents, f"https://{UID}.agents.example/{'a' * 300}{number}") == UID
    assert agents._remembered_uid_in.cache_info().currsize == 0
