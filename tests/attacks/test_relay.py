"""Attacks by passing on: a tool that got a signed request uses it elsewhere, or edits what is not signed."""

import pytest

from bare_client import send_bytes
from services import BASE, HOST, TOOL, Services, jwk_body
from signer import both, content_digest
from vestry_signatures import generate

FORWARDED = (
    {"X-Forwarded-Host": "tool.example"},
    {"X-Forwarded-Host": "tool.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"},
    {"Forwarded": "host=tool.example;proto=https"},
    {"X-Original-Host": "tool.example", "X-Host": "tool.example", "X-Forwarded-Server": "tool.example"},
)
SIGNED_ROUTES = ("/rotate", "/whoami")


@pytest.mark.parametrize("path", SIGNED_ROUTES)
async def test_relay_from_a_tool_with_its_own_host(services: Services, path: str) -> None:
    """A request that was signed for a tool is misdirected here under the tool's Host."""
    agent = await services.agent()
    headers = agent.sign("POST", f"https://tool.example{path}")
    body = jwk_body(generate().public.jwk)
    answer = await services.call("POST", path, headers, body, host="tool.example")
    assert answer.verdict == (421, "MISDIRECTED_REQUEST")
    assert await services.directory(agent) == [agent.key.public.kid]


@pytest.mark.parametrize("path", SIGNED_ROUTES)
@pytest.mark.parametrize("forwarded", FORWARDED, ids=lambda headers: "+".join(headers))
async def test_relay_from_a_tool_with_x_forwarded_host(
    services: Services, path: str, forwarded: dict[str, str]
) -> None:
    """Under our Host the tool's signature is wrong, whatever the headers say the host was before."""
    agent = await services.agent()
    body = jwk_body(generate().public.jwk)
    for url in ("https://tool.example", "https://tool.example:443"):
        headers = {**agent.sign("POST", url + path), **forwarded}
        answer = await services.call("POST", path, headers, body)
        assert answer.verdict == (401, "INVALID_SIGNATURE")
    assert await services.directory(agent) == [agent.key.public.kid]


@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
async def test_relay_through_a_trusted_proxy(services: Services, trusted: str) -> None:
    """Not even a trusted proxy's X-Forwarded-Host and -Proto change what a signature is checked against."""
    agent = await services.agent()
    with services.another_registrar(TRUSTED_PROXIES=trusted) as registrar:
        covered = ('"@authority"', '"@scheme"')
        for url, headers in (
            ("https://tool.example/whoami", {"X-Forwarded-Host": "tool.example"}),
            ("http://agents.example/whoami", {"X-Forwarded-Proto": "http"}),
        ):
            signed = {**agent.sign("GET", url, covered=covered), **headers}
            answer = await services.call("GET", "/whoami", signed, registrar=registrar)
            assert answer.verdict == (401, "INVALID_SIGNATURE")
        honest = {**agent.sign("GET", f"{BASE}/whoami", covered=covered), "X-Forwarded-Proto": "http"}
        assert (await services.call("GET", "/whoami", honest, registrar=registrar)).status == 200


async def test_relay_with_the_tools_url_as_request_target(services: Services) -> None:
    """A request target that is a URL of the tool does not make us the tool."""
    agent = await services.agent()
    lines = "".join(f"{name}: {value}\r\n" for name, value in agent.sign("GET", TOOL).items())

    async def get(target: str, host: str) -> tuple[int, str]:
        raw = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}Connection: close\r\n\r\n"
        return (await send_bytes(services.registrar.port, raw.encode())).verdict

    assert await get("https://tool.example/whoami", "tool.example") == (421, "MISDIRECTED_REQUEST")
    assert await get("https://tool.example/whoami", HOST) == (400, "MALFORMED_REQUEST")
    assert await get(f"{BASE}/whoami", "tool.example") == (400, "MALFORMED_REQUEST")
    assert await get(f"https://tool.example@{HOST}/whoami", HOST) == (400, "MALFORMED_REQUEST")
    assert await get(f"{BASE}/whoami", HOST) == (401, "INVALID_SIGNATURE")


async def test_whole_url_as_request_target(services: Services) -> None:
    """An honest request whose target is our own whole URL is checked as any other, path and all."""
    agent = await services.agent()
    covered = ('"@authority"', '"@target-uri"')
    signed = agent.sign("GET", f"{BASE}/whoami?a=b", covered=covered)
    lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    raw = f"GET {BASE}/whoami?a=b HTTP/1.1\r\nHost: {HOST}\r\n{lines}Connection: close\r\n\r\n"
    assert (await send_bytes(services.registrar.port, raw.encode())).json["uid"] == agent.uid


async def test_relay_from_one_tool_to_another(services: Services) -> None:
    """What an agent signed for one tool does not verify as a request to another one."""
    agent = await services.agent()
    headers = agent.sign("GET", TOOL)
    for url in (
        "https://other.example/inbox",
        "https://tool.example.evil/inbox",
        "https://tool.example:8443/",
    ):
        assert (await services.verify(headers, "GET", url)).verdict == (401, "INVALID_SIGNATURE")
    assert (await services.verify(headers, "GET", TOOL)).status == 200, "the tries burned nothing"


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("POST", TOOL),
        ("get", TOOL),
        ("GET", "http://tool.example/inbox"),
        ("GET", "https://tool.example/outbox"),
        ("GET", "https://tool.example/inbox?"),
        ("GET", "https://tool.example/inbox?all=1"),
        ("GET", "https://tool.example/inbox/"),
        ("GET", "https://tool.example/%69nbox"),
        ("GET", "https://tool.example/x/../inbox"),
    ],
)
async def test_covered_request_line_edited(services: Services, method: str, url: str) -> None:
    """What a signature covers of method and URL cannot be changed without its breaking."""
    agent = await services.agent()
    headers = agent.sign("GET", TOOL, covered=('"@authority"', '"@method"', '"@target-uri"'))
    assert (await services.verify(headers, method, url)).verdict == (401, "INVALID_SIGNATURE")
    assert (await services.verify(headers, "GET", TOOL)).status == 200


async def test_covered_header_edited_added_or_left_out(services: Services) -> None:
    """A covered header is honoured: another value breaks the signature, a missing one is said to be missing."""
    agent = await services.agent()
    signed = agent.sign(headers={"X-Amount": "5"}, covered=('"@authority"', '"x-amount"'))
    assert (await services.verify({**signed, "X-Amount": "500"})).verdict == (401, "INVALID_SIGNATURE")
    assert (await services.verify({**signed, "X-Amount": ["5", "0"]})).verdict == (401, "INVALID_SIGNATURE")
    signed_alone = {name: value for name, value in signed.items() if name != "X-Amount"}
    assert (await services.verify(signed_alone)).verdict == (401, "MALFORMED_SIGNATURE")
    assert (await services.verify({**signed, "X-Amount": []})).verdict == (401, "MALFORMED_SIGNATURE")
    assert (await services.verify(signed)).status == 200


@pytest.mark.parametrize(
    ("host", "method", "target", "verdict"),
    [
        ("tool.com", "GET", "m://x/things", (400, "INVALID_URI")),
        ("tool.cohttps", "GET", "https://tool.co/things", (400, "INVALID_URI")),
        ("tool.co.evil.example", "CONNECT", ".evil.example:443", (400, "MALFORMED_REQUEST")),
    ],
)
async def test_relay_to_a_tool_with_a_host_as_request_target(
    services: Services, host: str, method: str, target: str, verdict: tuple[int, str]
) -> None:
    """A tool that puts its own host before whatever target it was sent does not ask about somebody else's host."""
    agent = await services.agent()
    relayed = agent.sign(method, f"https://{host}/things")
    assert (await services.verify(relayed, method, f"https://tool.co{target}")).verdict == verdict
    assert (
        await services.verify(agent.sign(url="https://tool.co/things"), url="https://tool.co/things")
    ).status == 200


async def test_signature_agent_swapped(services: Services) -> None:
    """Where Signature-Agent is not covered, putting another agent there finds no key of that agent."""
    agent, thief = await services.agent(), await services.agent()
    signed = agent.sign()
    for named in (thief.header, f'sig1="https://{HOST}/agents/{thief.uid}"', f"sig1={thief.uid}.{HOST}"):
        answer = await services.verify({**signed, "Signature-Agent": named})
        assert answer.verdict == (401, "UNKNOWN_KEY")
    assert (await services.verify(signed)).json["uid"] == agent.uid


async def test_signature_agent_swapped_with_its_key(services: Services) -> None:
    """Nor can somebody claim another's request by naming himself and his own key."""
    agent, thief = await services.agent(), await services.agent()
    signed = agent.sign()
    stolen = signed["Signature-Input"].replace(agent.key.public.kid, thief.key.public.kid)
    headers = {**signed, "Signature-Input": stolen, "Signature-Agent": thief.header}
    assert (await services.verify(headers)).verdict == (401, "INVALID_SIGNATURE")


async def test_signature_agent_swapped_where_it_is_covered(services: Services) -> None:
    """Where it is covered not even another spelling of the same agent passes."""
    agent = await services.agent()
    signed = agent.sign_strictly()
    for named in (f'sig1="{agent.url}/"', f'sig1="http://{agent.uid}.{HOST}"', f"sig1={agent.uid}.{HOST}"):
        answer = await services.verify({**signed, "Signature-Agent": named})
        assert answer.verdict == (401, "INVALID_SIGNATURE")
    assert (await services.verify(signed)).status == 200


async def test_another_member_put_first_in_signature_agent(services: Services) -> None:
    """The member keyed to the signature's label counts, never simply the first."""
    agent, thief = await services.agent(), await services.agent()
    first = f'evil="{thief.url}", {agent.header}'
    for signed in (agent.sign(), agent.sign_strictly()):
        answer = await services.verify({**signed, "Signature-Agent": first})
        assert (answer.status, answer.json["uid"]) == (200, agent.uid)
    for named, reason in (
        (f'sig1="{thief.url}", other="{agent.url}"', "UNKNOWN_KEY"),
        (f'other="{agent.url}"', "INVALID_SIGNATURE_AGENT"),
        (f'sig1="{thief.url}", {agent.header}', "INVALID_SIGNATURE_AGENT"),
        (f'"{agent.url}"', "INVALID_SIGNATURE_AGENT"),
    ):
        answer = await services.verify({**agent.sign(), "Signature-Agent": named})
        assert answer.verdict == (401, reason)
    as_lines = [f'evil="{thief.url}"', agent.header]
    assert (await services.verify({**agent.sign(), "Signature-Agent": as_lines})).status == 200


async def test_another_members_key_covered(services: Services) -> None:
    """A signature that covers only another member is that member's agent's, or nobody's."""
    agent, thief = await services.agent(), await services.agent()
    named = f'sig1="{agent.url}", other="{thief.url}"'
    covers_other = ('"@authority"', '"signature-agent";key="other"')
    signed = agent.sign(named=named, covered=covers_other)
    assert (await services.verify(signed)).verdict == (401, "UNKNOWN_KEY")
    several = ('"@authority"', '"signature-agent";key="other"', '"signature-agent";key="third"')
    named += f', third="{agent.url}"'
    signed = agent.sign(named=named, covered=several)
    assert (await services.verify(signed)).verdict == (401, "INVALID_SIGNATURE_AGENT")


async def test_signature_of_a_thief_beside_the_victims_name(services: Services) -> None:
    """A second signature does not lend its name to the first: each stands for its own member and key."""
    victim, thief = await services.agent(), await services.agent()
    agents = f'sig1="{victim.url}", sig2="{thief.url}"'
    forged = thief.sign(named=agents, keyid=victim.key.public.kid)
    own = thief.sign(named=agents, label="sig2")
    answer = await services.verify({**both(forged, own), "Signature-Agent": agents})
    assert (answer.status, answer.json["uid"], answer.json["label"]) == (200, thief.uid, "sig2")


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
async def test_a_covered_digest_of_another_body(services: Services, algorithm: str) -> None:
    """A covered Content-Digest is compared with the body: another one is refused, at both services."""
    agent, body = await services.agent(), b'{"pay":"Bob"}'
    covered = ('"@authority"', '"content-digest"')

    def signed(url: str) -> dict[str, str]:
        digest = {"Content-Digest": content_digest(body, algorithm)}
        return agent.sign("POST", url, headers=digest, covered=covered)

    for other in (b'{"pay":"Eve"}', b"", body + b" "):
        mismatch = await services.verify(signed(TOOL), "POST", body=other)
        assert mismatch.verdict == (401, "CONTENT_DIGEST_MISMATCH")
        mismatch = await services.call("POST", "/whoami", signed(f"{BASE}/whoami"), other)
        assert mismatch.verdict == (401, "CONTENT_DIGEST_MISMATCH")
    answer = await services.verify(signed(TOOL), "POST", body=body)
    assert answer.json["content_digest"] == "checked"
    assert (await services.call("POST", "/whoami", signed(f"{BASE}/whoami"), body)).status == 200


@pytest.mark.parametrize(
    "digest", ["md5=:1B2M2Y8AsgTpgAmY7PhCfg==:", "sha-256=?1", "sha-256=:AAAA:", "nonsense(", "sha-256=abc"]
)
async def test_a_covered_digest_that_proves_nothing(services: Services, digest: str) -> None:
    """A covered Content-Digest of a broken algorithm, or that is none, is a mismatch and no pass."""
    agent = await services.agent()
    covered = ('"@authority"', '"content-digest"')
    signed = agent.sign("POST", headers={"Content-Digest": digest}, covered=covered)
    assert (await services.verify(signed, "POST", body=b"")).verdict == (401, "CONTENT_DIGEST_MISMATCH")


async def test_right_and_wrong_digest_side_by_side(services: Services) -> None:
    """Every digest that can be checked must fit, not merely one of them."""
    agent, body = await services.agent(), b"both"
    digests = f"{content_digest(body)}, {content_digest(b'other', 'sha-512')}"
    covered = ('"@authority"', '"content-digest"')
    signed = agent.sign("POST", headers={"Content-Digest": digests}, covered=covered)
    assert (await services.verify(signed, "POST", body=body)).verdict == (401, "CONTENT_DIGEST_MISMATCH")


async def test_agents_own_url_used_as_a_signed_route(services: Services) -> None:
    """Agents' URLs serve keys only: a signature made for one of them opens nothing."""
    agent = await services.agent()
    host = f"{agent.uid}.{HOST}"
    for path in ("/whoami", "/rotate", "/register", "/tool/register"):
        signed = agent.sign("POST", f"https://{host}{path}")
        answer = await services.call("POST", path, signed, jwk_body(generate().public.jwk), host=host)
        assert answer.verdict == (421, "MISDIRECTED_REQUEST")
    assert await services.directory(agent) == [agent.key.public.kid]


async def test_other_hosts(services: Services) -> None:
    """Any other Host is misdirected, at every path but the probes'."""
    hosts = (
        "evil.example", "agents.example.evil", "xagents.example", "agents.example:444", "agents.example.",
        "127.0.0.1", "[::1]", "tool-" + "0" * 24 + ".agents.example", "agent-.agents.example", "a b", "%2e",
    )  # fmt: skip
    for host in hosts:
        for method, path in (("GET", "/"), ("POST", "/register"), ("GET", "/nowhere"), ("POST", "/rotate")):
            answer = await services.call(method, path, host=host)
            assert answer.verdict == (421, "MISDIRECTED_REQUEST"), host
    for probe in ("/livez", "/readyz", "/healthz"):
        assert (await services.call("GET", probe, host="10.0.0.7:3000")).status == 200


async def test_agent_with_a_key_of_its_own_at_an_allowed_authority(services: Services) -> None:
    """A further authority is checked as itself: what was signed for the base does not pass there, nor the reverse."""
    agent = await services.agent()
    with services.another_registrar(ALLOWED_AUTHORITIES="internal.example:8443,Other.Example") as registrar:
        for host, url, status in (
            ("internal.example:8443", "https://internal.example:8443", 200),
            ("other.example", "https://other.example", 200),
            ("OTHER.example:443", "https://other.example", 200),
            (HOST, "https://other.example", 401),
            ("other.example", BASE, 401),
            ("internal.example:8443", "https://other.example", 401),
        ):
            signed = agent.sign("GET", f"{url}/whoami")
            answer = await services.call("GET", "/whoami", signed, host=host, registrar=registrar)
            assert answer.status == status, (host, url)
        answer = await services.call("GET", "/whoami", host="internal.example", registrar=registrar)
        assert answer.status == 421
