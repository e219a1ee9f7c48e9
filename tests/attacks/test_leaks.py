"""Attacks on what is said and written down: errors that repeat a request, logs that keep secrets, forged names."""

import json

import pytest

from services import BASE, Agent, Service, Services, jwk_body
from vestry_signatures import generate


async def _misuse(services: Services, agent: Agent) -> list[bytes]:
    """Use both services rightly and wrongly, and return every answer's body."""
    private = generate()
    signed = agent.sign("POST", f"{BASE}/rotate")
    asked = agent.sign()
    answers = [
        await services.verify(asked),
        await services.verify(asked),
        await services.verify(agent.sign(base=b"forged")),
        await services.verify({**agent.sign(), "Signature": "sig1=:c2VjcmV0:"}),
        await services.verify(agent.sign(), url="https://user:hunter2@tool.example/"),
        await services.call("POST", "/rotate", signed, jwk_body(private.jwk)),
        await services.call("POST", "/rotate", signed, b'{"public_jwk": "hunter2'),
        await services.call("POST", "/register", {"X-Request-Id": "hunter2 hunter2"}, jwk_body(private.jwk)),
        await services.whoami(agent),
    ]
    secrets = [private.jwk["d"], "hunter2", signed["Signature"][6:-1], asked["Signature"][6:-1]]
    secrets += [part.split('"')[1] for part in (signed["Signature-Input"].split("nonce=")[1:])]
    secrets += [part.split('"')[1] for part in (asked["Signature-Input"].split("nonce=")[1:])]
    await services.registrar.line_of(answers[-1])  # by then all is written down
    await services.verifier.line_of(answers[4])
    written = services.registrar.log + services.verifier.log
    for secret in secrets:
        assert secret not in written
    assert agent.key.jwk["d"] not in written
    bodies = [answer.body for answer in answers]
    for body in bodies:
        assert b"hunter2" not in body
        assert private.jwk["d"].encode() not in body
    return bodies


@pytest.mark.parametrize("zone", ["hunter2", '"}\t{', "\xff\xfe", "x" * 500], ids=ascii)
async def test_any_text_as_the_zone_of_an_address(services: Services, zone: str) -> None:
    """What stands behind the `%` of an IPv6 address is neither written down nor kept, and makes no fault."""
    key = generate()
    with services.another_registrar(TRUSTED_PROXIES="127.0.0.1", LIMIT_REGISTER="9/60") as registrar:
        came = {"X-Forwarded-For": f"fe80::7%{zone}"}
        answer = await services.register(key, also=came, registrar=registrar)
        assert answer.status == 200
        assert (await registrar.line_of(answer))["client_ip"] == "fe80::7"
    statement = "SELECT client_ip FROM audit_events WHERE kid = %s"
    assert services.sql(statement, key.public.kid) == [("fe80::7",)]


async def test_secrets_in_logs_and_errors(services: Services) -> None:
    """No signature, nonce, private key or password is written down or answered, whatever was wrong."""
    bodies = await _misuse(services, await services.agent())
    for body in bodies:
        for word in (b"Traceback", b"SELECT", b"asyncpg", b".py"):
            assert word not in body


async def test_log_of_a_refused_request_naming_its_victim(services: Services) -> None:
    """A line names an agent only once it is proven: a forger cannot write another's name into the log."""
    victim = await services.agent()
    forged = Agent(generate(), victim.uid).sign(keyid=victim.key.public.kid)
    answer = await services.verify(forged)
    line = await services.verifier.line_of(answer)
    assert line["reason"] == "INVALID_SIGNATURE"
    assert "uid" not in line
    assert "kid" not in line


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ("", "6.6.6.6", "127.0.0.1"),
        ("10.0.0.0/8", "6.6.6.6", "127.0.0.1"),
        ("127.0.0.1", "6.6.6.6", "6.6.6.6"),
        ("127.0.0.1", "6.6.6.6, 7.7.7.7", "7.7.7.7"),
        ("127.0.0.1,10.0.0.0/8", "6.6.6.6, 7.7.7.7, 10.1.2.3", "7.7.7.7"),
        ("127.0.0.1", "6.6.6.6, nonsense", "127.0.0.1"),
        ("127.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("127.0.0.1", "", "127.0.0.1"),
    ],
)
async def test_x_forwarded_for_spoofed(
    services: Services, trusted: str, forwarded: str, address: str
) -> None:
    """An address counts only from a trusted proxy, and then the rightmost that is none of ours."""
    with services.another_registrar(TRUSTED_PROXIES=trusted) as registrar:
        answer = await services.call("GET", "/", {"X-Forwarded-For": forwarded}, registrar=registrar)
        assert (await registrar.line_of(answer))["client_ip"] == address


@pytest.mark.parametrize("given", ["../../etc", "a b", "x" * 129, "é", '"}', ""])
async def test_request_id_that_is_no_plain_word(services: Services, given: str) -> None:
    """An id that is not harmless to repeat is replaced, in the answer and in the log."""
    answer = await services.call("GET", "/", {"X-Request-Id": given})
    assert len(answer.headers["X-Request-Id"]) == 32
    assert (await services.registrar.line_of(answer))["route"] == "/"


def _labels(service: Service) -> set[str]:
    return {
        value
        for metric in service.metrics.registry.collect()
        for sample in metric.samples
        for value in sample.labels.values()
    }


async def test_names_of_callers_in_metrics(services: Services) -> None:
    """No label carries what a caller chose: no uid, kid, host, path, method or reason of theirs."""
    agent, odd = await services.agent(), "chosen-by-the-caller"
    await services.verify(agent.sign(keyid=odd))
    await services.verify(agent.sign(url=f"https://{odd}.example/{odd}"), url=f"https://{odd}.example/{odd}")
    await services.verify(agent.sign(tag=odd))
    await services.call(odd.upper(), f"/{odd}")
    await services.call("GET", f"/agents/{odd}/.well-known/http-message-signatures-directory")
    await services.call("GET", "/", host=f"{odd}.example")
    await services.call("GET", f"/agents/{agent.uid}/.well-known/http-message-signatures-directory")
    await services.rotate(agent, agent.key)
    for service in (services.registrar, services.verifier):
        for label in _labels(service):
            assert odd not in label.lower()
            assert agent.uid not in label
            assert agent.key.public.kid not in label
            assert "tool.example" not in label


async def test_metrics_and_internal_questions_on_the_public_port(services: Services) -> None:
    """What is for the inside of a deployment is not served to the world."""
    agent = await services.agent()
    for path in ("/metrics", f"/internal/agents/{agent.uid}/keys/{agent.key.public.kid}"):
        assert (await services.call("GET", path)).verdict == (404, "NOT_FOUND")


async def test_error_of_a_private_key_does_not_repeat_it(services: Services) -> None:
    """Who sends a private key by mistake gets it neither back nor written down."""
    key = generate()
    answer = await services.call("POST", "/register", {}, json.dumps({"public_jwk": key.jwk}).encode())
    assert answer.verdict == (422, "PRIVATE_KEY_EXPOSED")
    assert key.jwk["d"] not in answer.body.decode() + services.registrar.log


async def test_host_as_long_as_a_log(services: Services) -> None:
    """A host longer than any name is refused, so nobody fills the log with it."""
    agent = await services.agent()
    for length, status in ((255, 200), (256, 400), (60_000, 400)):
        url = f"https://{'h' * length}/"
        before = len(services.verifier.log)
        answer = await services.verify(agent.sign(url=f"https://{'h' * min(length, 255)}/"), url=url)
        assert answer.status == status
        assert status == 200 or answer.error["reason"] == "INVALID_URI"
        await services.verifier.line_of(answer)
        assert len(services.verifier.log) - before < 1500
