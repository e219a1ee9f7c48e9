"""Each real proxy, with the configuration that is shipped for it: what an agent signed gets through, nothing else."""

import pytest

from proxied import VERSIONS, Proxied, sign
from services import Agent, Services
from signer import content_digest
from vestry_signatures import generate

each_version = pytest.mark.parametrize("version", VERSIONS)
BOTH = ('"@authority"', '"@method"')
TARGETS = [
    *(
        "//a//b",
        "/a%2Fb",
        "/a/../b/./c",
        "/%C3%A9/%E2%9C%93?%C3%A9=%c3%a9",
        "/inbox?",
        "/p?a=b?c&&d=",
        "/a;b=1",
    ),
    "/a%20b+c%25?x=%20+",
]


@each_version
async def test_signed(proxied: Proxied, services: Services, version: str) -> None:
    """The tool is told who signed, once, and of nothing that went wrong."""
    agent = await services.agent()
    reached = await proxied.passes(sign(agent), version=version)
    assert (reached.method, reached.target) == ("GET", "/inbox")
    assert reached.agent == {
        "x-agent-content-digest": ["none"],
        "x-agent-kid": [agent.key.public.kid],
        "x-agent-outcome": ["verified"],
        "x-agent-uid": [agent.uid],
        "x-agent-url": [agent.url],
    }
    assert reached.all("host") == ["tool.example"]


@each_version
@pytest.mark.parametrize("target", TARGETS)
async def test_odd_targets(proxied: Proxied, services: Services, version: str, target: str) -> None:
    """Path and query are verified, and reach the tool, byte by byte as they were signed."""
    agent = await services.agent()
    reached = await proxied.passes(sign(agent, "PUT", target), "PUT", target, version)
    assert (reached.method, reached.target) == ("PUT", target)
    assert reached.agent["x-agent-uid"] == [agent.uid]


@each_version
@pytest.mark.parametrize(
    ("case", "reason", "outcome"),
    [
        ("unsigned", "MISSING_SIGNATURE_INPUT", "unsigned"),
        ("forged", "INVALID_SIGNATURE", "invalid"),
        ("replayed", "REPLAYED_NONCE", "invalid"),
        ("revoked", "REVOKED_KEY", "invalid"),
        ("stranger", "UNKNOWN_KEY", "unverified"),
    ],
)
async def test_refused(
    proxied: Proxied, services: Services, version: str, case: str, reason: str, outcome: str
) -> None:
    """The tool hears nothing of it; the client is told in the form that agents read, and how to sign."""
    agent = await services.agent()
    headers = sign(agent)
    if case == "unsigned":
        headers = {}
    elif case == "forged":
        headers = Agent(generate(), agent.uid).sign(keyid=agent.key.public.kid)
    elif case == "replayed":
        await proxied.passes(headers, version=version)
    elif case == "revoked":
        await proxied.passes(sign(agent), version=version)
        assert (await services.rotate(agent, generate())).status == 200
    elif case == "stranger":
        headers = sign(Agent(generate(), agent.uid))
    answer = await proxied.refuses(headers, version=version)
    assert (answer.status, answer.error["reason"], answer.error["outcome"]) == (401, reason, outcome)
    assert answer.headers.getall("WWW-Authenticate") == ["Signature"]
    assert answer.headers["Accept-Signature"].startswith("sig1=")
    assert "Retry-After" not in answer.headers


@each_version
async def test_a_body(proxied: Proxied, services: Services, version: str) -> None:
    """It reaches the tool, which is told that it must compare the digest itself."""
    agent, body = await services.agent(), b'{"a": 1}'
    digest = {"Content-Digest": content_digest(body)}
    headers = sign(agent, "POST", headers=digest, covered=(*BOTH, '"content-digest"'))
    reached = await proxied.passes(headers, "POST", version=version, body=body)
    assert (reached.body, reached.agent["x-agent-content-digest"]) == (body.decode(), ["unchecked"])


@each_version
async def test_a_header_on_two_lines(proxied: Proxied, services: Services, version: str) -> None:
    """Its lines are verified in their order, and stay two."""
    agent = await services.agent()
    names = (*BOTH, '"x-list"', '"authorization"', '"cookie"')
    alone = {"Authorization": "Bearer mine", "Cookie": "a=1; b=2"}
    headers = agent.sign(
        headers={"X-List": ["1, 2", "3"], **alone}, covered=names, url="https://tool.example/inbox"
    )
    lines = headers.pop("X-List")
    two = [*headers.items(), *(("X-List", line) for line in lines)]
    reached = await proxied.passes(two, version=version)
    assert reached.all("x-list") == ["1, 2", "3"]


@each_version
async def test_long_signature_headers(proxied: Proxied, services: Services, version: str) -> None:
    """A header of 8 KiB, the longest that is read, gets through."""
    agent = await services.agent()
    headers = sign(agent)
    more = f', other=("@method");tag="x";pad="{"y" * 8000}"'
    headers["Signature-Input"] = (headers["Signature-Input"] + more)[: 8 * 1024 - 1].removesuffix('"') + '"'
    headers["Signature"] += ", other=:AAAA:"
    reached = await proxied.passes(headers, version=version)
    assert reached.agent["x-agent-uid"] == [agent.uid]


async def test_an_upgrade(proxied: Proxied, services: Services) -> None:
    """A request for a WebSocket is verified like any other, and still asks for one when it reaches the tool."""
    agent = await services.agent()
    wanted = {"Upgrade": "websocket", "Connection": "Upgrade, close", "Sec-WebSocket-Version": "13"}
    before = proxied.tool.called
    answer = await proxied.send({**sign(agent), **wanted, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert (answer.status, proxied.tool.called) == (200, before + 1)
    assert ["x-agent-uid", agent.uid] in answer.json[2]
    assert (["upgrade", "websocket"] in answer.json[2]) == (proxied.name != "nginx")


SAID = "X-Agent-Outcome: unverified\r\nX-Agent-Reason: REPLAY_STORE_UNAVAILABLE\r\nContent-Length: 0\r\n"
ANSWER = f"HTTP/1.1 {{}}\r\n{SAID}{{}}\r\n"
SILENT = b""
# What each proxy tells its client where the verifier is not to be had.
AWAY = {"nginx": {503}, "caddy": {502, 504}, "traefik": {500, 502}, "haproxy": {503}}


@pytest.mark.parametrize("trouble", ["down", "silent", "faulty", "nonsense"])
async def test_a_verifier_that_is_away(proxied: Proxied, services: Services, trouble: str) -> None:
    """Nothing gets through while nobody can be asked, and everything does again afterwards."""
    agent, called = await services.agent(), proxied.tool.called
    says = {"silent": SILENT, "faulty": ANSWER.format("500 Oh", "").encode(), "nonsense": b"nonsense\r\n\r\n"}
    with proxied.verifier_says(says.get(trouble), cut=trouble == "down"):
        if (trouble, proxied.name) == ("silent", "traefik"):  # which waits 30 s; that cannot be set
            with pytest.raises(TimeoutError):
                await proxied.refuses(sign(agent), patience=1)
            assert proxied.tool.called == called
            return
        answer = await proxied.refuses(sign(agent))
    assert answer.status in (AWAY[proxied.name] | ({500} if trouble == "faulty" else set()))
    await proxied.passes(sign(agent))


async def test_nothing_can_be_decided(proxied: Proxied, services: Services) -> None:
    """Where the verifier cannot reach its store the client hears 503, and when to sign anew."""
    agent = await services.agent()
    status = "401 Unauthorized" if proxied.name == "nginx" else "503 Service Unavailable"
    with proxied.verifier_says(ANSWER.format(status, "Retry-After: 1\r\n").encode()):
        answer = await proxied.refuses(sign(agent))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
