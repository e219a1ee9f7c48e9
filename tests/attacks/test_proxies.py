"""Attacks on tools behind a proxy: to speak in the verifier's name, or have something else verified than is sent."""

import pytest

from bare_client import send
from proxied import VERSIONS, Proxied, sign
from services import Services
from tls_client import send_fields
from vestry_verifier.forwarded import TOKEN

each_version = pytest.mark.parametrize("version", VERSIONS)
VICTIM = "victim.example"
FACTS = ("Uid", "Kid", "Url", "Outcome", "Reason", "Content-Digest")
# What a tool may take for X-Agent-Uid: many read `_` as `-`, and none looks at the case.
SPELLINGS = ("X-Agent-{}", "x-aGENT-{}", "X_Agent_{}", "X-Agent_{}", "x_agent-{}")


def spoofed() -> list[tuple[str, str]]:
    return [(spelling.format(fact), "evil") for spelling in SPELLINGS for fact in (*FACTS, "Role")]


@each_version
async def test_spoofed_x_agent_headers(proxied: Proxied, services: Services, version: str) -> None:
    """A client that says by itself who signed is not heard, be it signed by somebody else or by nobody."""
    agent = await services.agent()
    lines = [*sign(agent).items(), *spoofed(), *spoofed()]
    reached = await proxied.passes(lines, version=version)
    known = {"content-digest": "none", "kid": agent.key.public.kid, "outcome": "verified", "uid": agent.uid}
    told = {name.removeprefix("x-agent-"): values for name, values in reached.agent.items()}
    role = told.pop("role", None)
    assert told == {name: [value] for name, value in {**known, "url": agent.url}.items()}
    assert role is None or proxied.name == "nginx", (
        "nginx knows no pattern, and passes on names of no meaning here"
    )
    assert (await proxied.refuses(spoofed(), version=version)).status == 401


@each_version
async def test_spoofed_name_where_the_tool_observes(proxied: Proxied, version: str) -> None:
    """A request that passes unverified has no signer: what the verifier leaves out is not filled in by the client."""
    told = "X-Agent-Outcome: unsigned\r\nX-Agent-Reason: MISSING_SIGNATURE_INPUT\r\n"
    with proxied.verifier_says(f"HTTP/1.1 200 OK\r\n{told}Content-Length: 0\r\n\r\n".encode()):
        reached = await proxied.passes(spoofed(), version=version)
    agent = {name: values for name, values in reached.agent.items() if name != "x-agent-role"}
    assert agent == {"x-agent-outcome": ["unsigned"], "x-agent-reason": ["MISSING_SIGNATURE_INPUT"]}


async def test_the_verifiers_headers_named_in_connection(proxied: Proxied, services: Services) -> None:
    """A client cannot have the signer's name dropped on the way, by calling it a matter of the connection."""
    agent = await services.agent()
    for value in ("X-Agent-Uid", "close, X-Agent-Uid, X-Agent-Outcome", "x-agent-uid,close"):
        answer = await proxied.send([*sign(agent).items(), ("Connection", "close"), ("Connection", value)])
        if answer.status == 200:
            assert answer.json[2].count(["x-agent-uid", agent.uid]) == 1
            assert [
                value for name, value in answer.json[2] if name == "connection" and "agent" in value
            ] == []
        else:
            assert answer.status == 400


@each_version
@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "X-Covered"])
async def test_signature_headers_named_in_connection(
    proxied: Proxied, services: Services, version: str, name: str
) -> None:
    """What is dropped on the way was dropped before it was verified too: the tool never misses what was signed."""
    agent = await services.agent()
    covered = ('"@authority"', '"x-covered"')
    headers = sign(agent, headers={"X-Covered": "1"}, covered=covered)
    answer = await proxied.send({**headers, "Connection": f"close, {name}"}, version=version)
    if answer.status == 200:
        assert ["x-covered", "1"] in answer.json[2]
    else:
        assert answer.status in {0, 400, 401}


@each_version
@pytest.mark.parametrize("held", ["path", "query", "method"])
async def test_another_request_than_the_one_that_was_signed(
    proxied: Proxied, services: Services, version: str, held: str
) -> None:
    """The headers in which a proxy tells of a request are its own: those of a client change nothing, doubled too."""
    agent = await services.agent()
    sent = {"path": ("GET", "/admin"), "query": ("GET", "/inbox?all"), "method": ("DELETE", "/inbox")}[held]
    url, names = "https://tool.example/inbox", ("X-Original-URL", "X-Rewrite-URL", "X-Original-URI")
    lies = [
        *((name, url) for name in names),
        ("X-Original-Method", "GET"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Uri", "/inbox"),
        ("X_Forwarded_Uri", "/inbox"),
        ("X-HTTP-Method-Override", "GET"),
    ]
    for lines in ([], lies, [*lies, *lies]):
        signed = list(sign(agent).items())
        answer = await proxied.refuses([*lines, *signed], *sent, version)
        assert (answer.status, answer.error["reason"]) == (401, "INVALID_SIGNATURE")
    await proxied.passes([*lies, *sign(agent).items()], version=version)


@each_version
async def test_a_request_that_was_signed_for_another_host(
    proxied: Proxied, services: Services, version: str
) -> None:
    """What an agent signed for somebody else does not pass as signed for this tool, whatever names the host."""
    agent = await services.agent()
    url = f"https://{VICTIM}/inbox"
    for lies in (
        {},
        {"X-Forwarded-Host": VICTIM, "X-Original-URL": url, "X-Host": VICTIM, "Forwarded": f"host={VICTIM}"},
    ):
        headers = agent.sign("GET", url)
        answer = await proxied.refuses({**headers, **lies}, version=version)
        assert (answer.status, answer.error["reason"]) == (401, "INVALID_SIGNATURE")
        await proxied.refuses({**agent.sign("GET", url), **lies}, version=version, host=VICTIM)


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (f"https://{VICTIM}/inbox", "tool.example"),
        ("https://tool.example/inbox", VICTIM),
        (f"http://{VICTIM}/inbox", "tool.example"),
        ("/inbox", f"tool.example,{VICTIM}"),
        ("/inbox", f"{VICTIM},tool.example"),
        ("/inbox", f"{VICTIM}@tool.example"),
        ("/inbox", f"tool.example\r\nHost: {VICTIM}"),
        (f"@{VICTIM}/inbox", "tool.example"),
        (f".{VICTIM}/inbox", "tool.example"),
    ],
)
async def test_two_hosts_in_one_request(proxied: Proxied, services: Services, target: str, host: str) -> None:
    """Proxy, verifier and tool believe in one host, or the request ends."""
    agent = await services.agent()
    await proxied.refuses(agent.sign("GET", f"https://{VICTIM}/inbox"), target=target, host=host)
    answer = await proxied.send(agent.sign("GET", "https://tool.example/inbox"), target=target, host=host)
    if answer.status == 200 and answer.body:
        assert [value for name, value in answer.json[2] if name == "host"] == ["tool.example"]


async def test_two_hosts_in_one_request_of_http_2(proxied: Proxied, services: Services) -> None:
    """`:authority` decides for all three, or the request ends."""
    agent = await services.agent()
    for authority, host in (("tool.example", VICTIM), (VICTIM, "tool.example")):
        for signed in ("tool.example", VICTIM):
            pseudo = [
                (":method", "GET"),
                (":scheme", "https"),
                (":authority", authority),
                (":path", "/inbox"),
            ]
            headers = agent.sign("GET", f"https://{signed}/inbox")
            fields = [*pseudo, ("host", host), *((name.lower(), value) for name, value in headers.items())]
            answer = await send_fields(proxied.port, fields, "tool.example")
            if answer.status == 200 and answer.body:
                assert (authority, signed) == ("tool.example", "tool.example")
                assert [value for name, value in answer.json[2] if name == "host"] == ["tool.example"]


@pytest.mark.parametrize(
    "path", [".victim.example/inbox", "@victim.example/", "inbox", "https://victim.example/inbox", "*"]
)
async def test_a_path_that_becomes_a_part_of_the_host(
    proxied: Proxied, services: Services, path: str
) -> None:
    """By HTTP/2 anything can be said for a path; put behind the host it must not make another one."""
    agent = await services.agent()
    pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", "tool.example"), (":path", path)]
    for host in (f"tool.example.{VICTIM}", VICTIM):
        fields = [
            *pseudo,
            *((name.lower(), value) for name, value in agent.sign("GET", f"https://{host}/inbox").items()),
        ]
        before = proxied.tool.called
        await send_fields(proxied.port, fields, "tool.example")
        assert proxied.tool.called == before


async def test_a_tunnel_through_the_proxy(proxied: Proxied, services: Services) -> None:
    """CONNECT, whose target is a host, is no request that could be verified."""
    agent = await services.agent()
    await proxied.refuses(agent.sign("CONNECT", f"https://{VICTIM}/"), "CONNECT", f"{VICTIM}:443")
    await proxied.refuses(sign(agent), "CONNECT", "tool.example:443")


@each_version
async def test_one_signature_for_two_requests_at_a_proxy(
    proxied: Proxied, services: Services, version: str
) -> None:
    """A signature that was used at one proxy, or at /verify, is used."""
    agent = await services.agent()
    headers = sign(agent)
    await proxied.passes(headers, version=version)
    url = "https://tool.example/inbox"
    assert (await services.verify(headers, url=url)).verdict == (401, "REPLAYED_NONCE")
    headers = sign(agent)
    assert (await services.verify(headers, url=url)).status == 200
    assert (await proxied.refuses(headers, version=version)).error["reason"] == "REPLAYED_NONCE"


@each_version
async def test_a_tools_token_from_a_client(proxied: Proxied, services: Services, version: str) -> None:
    """A client cannot choose for which tool it is verified, and a tool is never shown its own token."""
    agent = await services.agent()
    lines = [*sign(agent).items(), (TOKEN, "stolen"), (TOKEN, "stolen")]
    reached = await proxied.passes(lines, version=version)
    assert reached.all(TOKEN) == []


@pytest.mark.parametrize("kind", ["auth-request", "forward-auth", "ext-authz"])
async def test_forged_words_of_a_proxy_from_somebody_else(services: Services, kind: str) -> None:
    """Who is no trusted proxy can write its headers, and is believed in nothing; not even on the same machine."""
    agent = await services.agent()
    headers = {
        "X-Original-Method": "GET",
        "X-Original-URL": "https://tool.example/inbox",
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "tool.example",
        "X-Forwarded-Uri": "/inbox",
        "X-Forwarded-For": "127.0.0.1",
        "X-Real-IP": "127.0.0.1",
        **sign(agent),
    }
    path = f"/verify/{kind}" + ("/https/inbox" if kind == "ext-authz" else "")
    answer = await send(services.verifier.port, "GET", path, headers, host="tool.example")
    assert answer.verdict == (403, "UNTRUSTED_PROXY")
    assert "X-Agent-Uid" not in answer.headers
    assert (await services.verify(sign(agent), url="https://tool.example/inbox")).status == 200
