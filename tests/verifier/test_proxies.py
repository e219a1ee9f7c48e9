"""What proxies are told: who signed what they hold, in headers, and a refusal in a status that each understands."""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from bare_client import Answer, Headers, pairs, send
from services import TOOL, Agent, Service, Services, until
from signer import content_digest
from stores import ValkeyServer
from vestry_signatures import generate

Ask = Callable[..., Awaitable[Answer]]
UNSIGNED: dict[str, str] = {}
HOST = TOOL.split("/")[2]


async def nginx(port: int, headers: Headers, method: str = "GET", target: str = "/inbox") -> Answer:
    said = [("X-Original-Method", method), ("X-Original-URL", f"https://{HOST}{target}")]
    return await send(port, "GET", "/verify/auth-request", [*said, *pairs(headers)], host="v")


async def traefik(port: int, headers: Headers, method: str = "GET", target: str = "/inbox") -> Answer:
    said = {"Method": method, "Proto": "https", "Host": HOST, "Uri": target}
    lines = [(f"X-Forwarded-{name}", value) for name, value in said.items()]
    return await send(port, "GET", "/verify/forward-auth", [*lines, *pairs(headers)], host="v")


async def envoy(port: int, headers: Headers, method: str = "GET", target: str = "/inbox") -> Answer:
    lines = [("content-length", "0"), *pairs(headers)]
    return await send(port, method, f"/verify/ext-authz/https{target}", lines, host=HOST)


KINDS: dict[str, Ask] = {"auth-request": nginx, "forward-auth": traefik, "ext-authz": envoy}
each_kind = pytest.mark.parametrize("ask", KINDS.values(), ids=KINDS)


@pytest.fixture(scope="module")
def verifier(services: Services) -> Iterator[Service]:
    """A verifier that takes this machine for a proxy."""
    with services.another_verifier(TRUSTED_PROXIES="127.0.0.1") as service:
        yield service


def said(answer: Answer) -> dict[str, str]:
    """What the headers for the tool say."""
    prefix = "X-Agent-"
    return {
        name.removeprefix(prefix): value for name, value in answer.headers.items() if name.startswith(prefix)
    }


@each_kind
async def test_verified(services: Services, verifier: Service, ask: Ask) -> None:
    """200 lets it pass, and the facts are in headers; the log has them too."""
    agent = await services.agent()
    answer = await ask(verifier.port, agent.sign(covered=('"@authority"', '"@method"', '"@target-uri"')))
    assert (answer.status, answer.body) == (200, b"")
    assert said(answer) == {
        "Uid": agent.uid,
        "Kid": agent.key.public.kid,
        "Url": agent.url,
        "Outcome": "verified",
        "Content-Digest": "none",
    }
    line = await verifier.line_of(answer)
    facts = {name: line[name] for name in ("outcome", "uid", "kid", "authority")}
    assert facts == {
        "outcome": "verified",
        "uid": agent.uid,
        "kid": agent.key.public.kid,
        "authority": HOST,
    }


@each_kind
@pytest.mark.parametrize(
    "target", ["//a//b", "/a%2Fb", "/a/../b", "/%C3%A9?%c3%a9", "/inbox?", "/%0a", "/?a?b"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_odd_targets(services: Services, verifier: Service, ask: Ask, target: str, method: str) -> None:
    """Method, path and query are verified as they were sent, byte by byte."""
    agent = await services.agent()
    covered = ('"@authority"', '"@method"', '"@path"', '"@query"', '"@target-uri"')
    headers = agent.sign(method, f"https://{HOST}{target}", covered=covered)
    answer = await ask(verifier.port, headers, method, target)
    assert (answer.status, said(answer)["Uid"]) == (200, agent.uid)


@each_kind
async def test_a_covered_digest_is_left_to_the_tool(services: Services, verifier: Service, ask: Ask) -> None:
    """The body is not known here, and the answer says so."""
    agent = await services.agent()
    digest = {"Content-Digest": content_digest(b"{}")}
    headers = agent.sign("POST", headers=digest, covered=('"@authority"', '"content-digest"'))
    answer = await ask(verifier.port, headers, "POST")
    assert (answer.status, said(answer)["Content-Digest"]) == (200, "unchecked")


# By kind: auth-request, forward-auth, ext-authz.
REFUSED = {
    "unsigned": ((401, 401, 401), "MISSING_SIGNATURE_INPUT", "unsigned"),
    "replayed": ((401, 401, 401), "REPLAYED_NONCE", "invalid"),
    "other target": ((401, 401, 401), "INVALID_SIGNATURE", "invalid"),
    "unknown key": ((401, 401, 401), "UNKNOWN_KEY", "unverified"),
    "raw bytes": ((403, 400, 400), "INVALID_URI", "unverified"),
    "two tokens": ((403, 400, 400), "MALFORMED_REQUEST", "unverified"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused(services: Services, verifier: Service, case: str) -> None:
    """Each kind hears a refusal in its own statuses; reason and outcome are the same, in headers and in the body."""
    statuses, reason, outcome = REFUSED[case]
    for ask, status in zip(KINDS.values(), statuses, strict=True):
        agent = await services.agent()
        headers, target = agent.sign(covered=('"@authority"', '"@path"')), "/inbox"
        if case == "unsigned":
            headers = UNSIGNED
        elif case == "replayed":
            assert (await ask(verifier.port, headers)).status == 200
        elif case == "other target":
            target = "/outbox"
        elif case == "unknown key":
            headers = Agent(generate(), agent.uid).sign()
        elif case == "raw bytes":
            target = "/#inbox"
        lines = [*headers.items(), *([("X-Vestry-Tool-Token", "x")] * 2 if case == "two tokens" else [])]
        answer = await ask(verifier.port, lines, target=target)
        assert (answer.status, answer.error["status"]) == (status, status)
        assert said(answer) == {"Outcome": outcome, "Reason": reason}
        assert answer.error["reason"] == reason
        assert ("Accept-Signature" in answer.headers) == (status == 401)
        assert (await verifier.line_of(answer))["reason"] == reason


@each_kind
async def test_nobody_but_a_trusted_proxy_is_believed(services: Services, ask: Ask) -> None:
    """Without TRUSTED_PROXIES not even loopback is one; the refusal names the setting, and spends nothing."""
    agent = await services.agent()
    headers = agent.sign()
    answer = await ask(services.verifier.port, headers)
    assert answer.verdict == (403, "UNTRUSTED_PROXY")
    assert "TRUSTED_PROXIES" in answer.error["message"]
    assert said(answer) == {"Outcome": "unverified", "Reason": "UNTRUSTED_PROXY"}
    assert (await services.verify(headers)).status == 200


async def test_nothing_can_be_decided(doomed: Services, own_valkey: ValkeyServer) -> None:
    """With Redis away nginx and Envoy hear 401, since of a 5xx they make a fault; Retry-After tells why."""
    doomed.add_registrar()
    verifier = doomed.add_verifier(TRUSTED_PROXIES="127.0.0.1")
    agent = await doomed.agent()

    async def remembers() -> bool:
        return (await nginx(verifier.port, agent.sign())).status == 200

    await until(remembers)
    own_valkey.stop()
    for ask, status in zip(KINDS.values(), (401, 503, 401), strict=True):
        answer = await ask(verifier.port, agent.sign())
        assert (answer.status, answer.headers["Retry-After"]) == (status, "1")
        assert said(answer) == {"Outcome": "unverified", "Reason": "REPLAY_STORE_UNAVAILABLE"}


async def test_head_and_other_methods(services: Services, verifier: Service) -> None:
    """Nginx and Traefik ask with GET; whoever asks otherwise is told so, and Envoy asks with the client's method."""
    agent = await services.agent()
    answer = await send(verifier.port, "POST", "/verify/auth-request", host="v")
    assert answer.verdict == (405, "METHOD_NOT_ALLOWED")
    answer = await envoy(verifier.port, agent.sign("HEAD", covered=('"@authority"', '"@method"')), "HEAD")
    assert answer.status == 200
    assert (await envoy(verifier.port, agent.sign("TRACE"), "TRACE")).status == 405
