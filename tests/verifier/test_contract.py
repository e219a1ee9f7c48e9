"""The verifier's answers, row by row of the wire contract: status, body, headers."""

import json
import re
from typing import Any

import pytest

import signer
from bare_client import send
from services import DIRECTORY, TOOL, Agent, Services
from signer import In, both, content_digest
from vestry_signatures import generate


async def test_verified(services: Services) -> None:
    """Twelve members, the first four of them vestauth's; types and values as the contract has them."""
    agent = await services.agent()
    signed = agent.sign("POST", created=In(-5))
    answer = await services.verify(signed, "POST")
    assert answer.status == 200
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    created = int(re.findall(r"created=(\d+)", signed["Signature-Input"])[0])
    assert list(answer.json.items()) == [
        ("uid", agent.uid),
        ("kid", agent.key.public.kid),
        ("public_jwk", agent.key.public.jwk),
        ("well_known_url", agent.url + DIRECTORY),
        ("outcome", "verified"),
        ("profile", "vestauth"),
        ("label", "sig1"),
        ("covered", ["@authority"]),
        ("content_digest", "none"),
        ("created", created),
        ("expires", created + 300),
        ("agent_url", agent.url),
    ]


async def test_profile_in_the_result(services: Services) -> None:
    """The stricter profile that a signature meets is named, whatever else it covers."""
    agent = await services.agent()
    strict = ('"@authority"', '"signature-agent";key="sig1"')
    for covered, nonce, profile in (
        (('"@authority"',), "x1", "vestauth"),
        (('"@authority"', '"@method"'), "x2", "vestauth"),
        (strict, "x3", "web-bot-auth"),
        (strict, None, "web-bot-auth"),
        (('"@target-uri"', '"signature-agent";key="sig1"'), None, "web-bot-auth"),
        (('"@authority"', '"signature-agent"'), "x4", "web-bot-auth"),
    ):
        answer = await services.verify(agent.sign(covered=covered, nonce=nonce))
        assert (answer.status, answer.json["profile"]) == (200, profile)
        assert answer.json["covered"] == [part.replace('"', "", 2) for part in covered]


async def test_target_uri_alone_is_not_enough_for_vestauth(services: Services) -> None:
    """Without its Signature-Agent covered a signature must cover @authority itself."""
    agent = await services.agent()
    answer = await services.verify(agent.sign(covered=('"@target-uri"',)))
    assert answer.verdict == (401, "INSUFFICIENT_COVERAGE")


@pytest.mark.parametrize("change", [str.lower, str.upper, str.title, str.swapcase])
async def test_header_names_in_any_case(services: Services, change: Any) -> None:
    """A tool may pass header names on as its framework gives them."""
    agent = await services.agent()
    headers = {change(name): value for name, value in agent.sign().items()}
    assert (await services.verify(headers)).json["uid"] == agent.uid


async def test_header_values_as_lines(services: Services) -> None:
    """A list of strings is one item a field line, joined with a comma and trimmed, as RFC 9421 says."""
    agent = await services.agent()
    covered = ('"@authority"', '"x-tags"')
    signed = agent.sign(headers={"X-Tags": "a, b,c"}, covered=covered)
    for value, status in (
        (["a", "b,c"], 200),
        ([" a ", "\tb,c "], 200),
        ("a, b,c", 200),
        (["a,b", "c"], 401),
        (["b,c", "a"], 401),
        ([], 401),
        ("", 401),
    ):
        signed = agent.sign(headers={"X-Tags": "a, b,c"}, covered=covered)
        assert (await services.verify({**signed, "X-Tags": value})).status == status
    lists = {name: [value] for name, value in agent.sign().items()}
    assert (await services.verify(lists)).status == 200


async def test_empty_header_value_is_covered(services: Services) -> None:
    """An empty header is there, and is signed as empty."""
    agent = await services.agent()
    signed = agent.sign(headers={"X-Empty": ""}, covered=('"@authority"', '"x-empty"'))
    assert (await services.verify(signed)).status == 200


async def test_content_digest(services: Services) -> None:
    """The result says how a covered digest stands: checked here, asserted by the tool, or unchecked by anybody."""
    agent, body = await services.agent(), b"\x00\xff body"
    covered = ('"@authority"', '"content-digest"')

    async def digest_of(cover: tuple[str, ...], **members: Any) -> str:
        headers = {"Content-Digest": content_digest(body)}
        answer = await services.verify(agent.sign("POST", headers=headers, covered=cover), "POST", **members)
        found: str = answer.json["content_digest"]
        return found

    assert await digest_of(('"@authority"',), body=b"anything") == "none"
    assert await digest_of(covered, body=body) == "checked"
    assert await digest_of(covered) == "unchecked"
    assert await digest_of(covered, content_digest_verified=False) == "unchecked"
    assert await digest_of(covered, content_digest_verified=True) == "asserted"
    assert await digest_of(covered, body=body, content_digest_verified=True) == "checked"


async def test_assertion_does_not_outweigh_a_body(services: Services) -> None:
    """A body that is known is compared, whatever the tool says of it."""
    agent = await services.agent()
    covered = ('"@authority"', '"content-digest"')
    headers = {"Content-Digest": content_digest(b"one")}
    signed = agent.sign("POST", headers=headers, covered=covered)
    answer = await services.verify(signed, "POST", body=b"two", content_digest_verified=True)
    assert answer.verdict == (401, "CONTENT_DIGEST_MISMATCH")


async def test_empty_body(services: Services) -> None:
    """The empty body is a body."""
    agent = await services.agent()
    headers = {"Content-Digest": content_digest(b"")}
    signed = agent.sign("POST", headers=headers, covered=('"@authority"', '"content-digest"'))
    assert (await services.verify(signed, "POST", body=b"")).json["content_digest"] == "checked"


async def test_unknown_members_are_left_alone(services: Services) -> None:
    """A tool may send what we do not know yet."""
    agent = await services.agent()
    answer = await services.verify(agent.sign(), future={"member": [1, 2]})
    assert answer.status == 200


async def test_several_signatures_are_all_spent(services: Services) -> None:
    """Every signature of a request that verifies is spent, though the answer is about one."""
    agent, other = await services.agent(), await services.agent()
    agents = f'sig1="{agent.url}", sig2="{other.url}"'
    first, second = agent.sign(named=agents), other.sign(named=agents, label="sig2")
    answer = await services.verify({**both(first, second), "Signature-Agent": agents})
    assert (answer.json["label"], answer.json["uid"]) == ("sig1", agent.uid)
    for alone in (first, second):
        assert (await services.verify(alone)).verdict == (401, "REPLAYED_NONCE")


async def test_answer_is_about_the_strictest_signature(services: Services) -> None:
    """The strictest profile first, then the order in the field."""
    agent = await services.agent()
    agents = ", ".join(f'sig{i}="{agent.url}"' for i in (1, 2, 3))
    strict = {"covered": ('"@authority"', '"signature-agent";key="sig{}"')}

    def one(number: int, strictly: bool) -> dict[str, str]:
        covered = tuple(part.format(number) for part in strict["covered"])
        changes = {"covered": covered} if strictly else {}
        return agent.sign(named=agents, label=f"sig{number}", **changes)

    for strictly, label in (((False, True, True), "sig2"), ((False, False, False), "sig1")):
        signatures = both(*(one(i + 1, each) for i, each in enumerate(strictly)))
        answer = await services.verify({**signatures, "Signature-Agent": agents})
        assert (answer.status, answer.json["label"]) == (200, label)


async def test_one_revoked_signature_refuses_the_request(services: Services) -> None:
    """A request that also carries a revoked key's signature is refused, in either order."""
    agent, other = await services.agent(), await services.agent()
    assert (await services.rotate(other, generate())).status == 200
    agents = f'sig1="{agent.url}", sig2="{other.url}"'
    for turned in (False, True):
        pair = [agent.sign(named=agents), other.sign(named=agents, label="sig2")]
        answer = await services.verify({**both(*pair[:: -1 if turned else 1]), "Signature-Agent": agents})
        assert answer.verdict == (401, "REVOKED_KEY")


async def test_two_forms_of_signature_agent_for_one_signature(services: Services) -> None:
    """Label and key may differ where the signature covers its member: the drafts' own vectors do so."""
    agent = await services.agent()
    named = f'agent2="{agent.url}"'
    covered = ('"@authority"', '"signature-agent";key="agent2"')
    answer = await services.verify(agent.sign(named=named, label="sig2", covered=covered))
    assert (answer.status, answer.json["label"], answer.json["uid"]) == (200, "sig2", agent.uid)


async def test_settings_profiles(services: Services) -> None:
    """A profile that is switched off is not met."""
    agent = await services.agent()
    with services.another_verifier(PROFILES="web-bot-auth") as verifier:
        answer = await services.verify(agent.sign(), verifier=verifier)
        assert answer.verdict == (401, "INSUFFICIENT_COVERAGE")
        answer = await services.verify(agent.sign_strictly(nonce=None), verifier=verifier)
        assert answer.json["profile"] == "web-bot-auth"
    with services.another_verifier(PROFILES="vestauth") as verifier:
        answer = await services.verify(agent.sign_strictly(), verifier=verifier)
        assert answer.json["profile"] == "vestauth"
        answer = await services.verify(agent.sign_strictly(nonce=None), verifier=verifier)
        assert answer.verdict == (401, "MISSING_NONCE")


async def test_settings_nonce_policy(services: Services) -> None:
    """NONCE_POLICY=required asks a nonce of web-bot-auth signatures too."""
    agent = await services.agent()
    with services.another_verifier(NONCE_POLICY="required") as verifier:
        answer = await services.verify(agent.sign_strictly(nonce=None), verifier=verifier)
        assert answer.verdict == (401, "MISSING_NONCE")
        assert (await services.verify(agent.sign_strictly(), verifier=verifier)).status == 200


async def test_settings_times(services: Services) -> None:
    """CLOCK_SKEW and MAX_SIGNATURE_LIFETIME are what is settled, in seconds."""
    agent = await services.agent()
    with services.another_verifier(CLOCK_SKEW="5", MAX_SIGNATURE_LIFETIME="60") as verifier:
        for created, expires, verdict in (
            (In(4), In(60), (200, "")),
            (In(30), In(60), (401, "NOT_YET_VALID")),
            (In(-50), In(-2), (200, "")),
            (In(-50), In(-9), (401, "EXPIRED_SIGNATURE")),
            (In(-10), In(50), (200, "")),
            (In(-10), In(51), (401, "LIFETIME_TOO_LONG")),
        ):
            answer = await services.verify(agent.sign(created=created, expires=expires), verifier=verifier)
            assert answer.verdict == verdict


async def test_settings_algorithms(services: Services) -> None:
    """A signature that states an algorithm which is not accepted is refused before its key is looked at."""
    agent = await services.agent()
    with services.another_verifier(ALGORITHMS="ecdsa-p256-sha256") as verifier:
        answer = await services.verify(agent.sign(), verifier=verifier)
        assert answer.verdict == (401, "UNSUPPORTED_ALG")


async def test_json_whatever_the_content_type(services: Services) -> None:
    """The question is JSON whatever its type says."""
    agent = await services.agent()
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "", "application/cbor"):
        question = signer_question(agent)
        answer = await send(
            services.verifier.port, "POST", "/verify", {"Content-Type": content_type}, question, "any.host"
        )
        assert answer.json["uid"] == agent.uid


def signer_question(agent: Agent) -> bytes:
    return json.dumps({"method": "GET", "url": TOOL, "headers": agent.sign()}).encode()


@pytest.mark.parametrize(("method", "path"), [("GET", "/verify"), ("PUT", "/verify"), ("OPTIONS", "/verify")])
async def test_method_that_is_not_for_this_path(services: Services, method: str, path: str) -> None:
    """405 names POST."""
    answer = await send(services.verifier.port, method, path, host="v")
    assert (answer.verdict, answer.headers["Allow"]) == ((405, "METHOD_NOT_ALLOWED"), "POST")


async def test_path_that_is_none(services: Services) -> None:
    """404 in the one form; the verifier serves no directory and no registration."""
    for path in ("/", "/register", "/whoami", DIRECTORY, "/metrics"):
        answer = await send(services.verifier.port, "GET", path, host="v")
        assert answer.verdict == (404, "NOT_FOUND")


async def test_error_headers(services: Services) -> None:
    """A refusal says how to sign; it names the request and not the software."""
    answer = await services.verify({})
    assert answer.headers["WWW-Authenticate"] == "Signature"
    assert '"@authority"' in answer.headers["Accept-Signature"]
    assert answer.headers["X-Request-Id"]
    assert "Server" not in answer.headers
    assert "Retry-After" not in answer.headers


async def test_problem_form(services: Services) -> None:
    """The verifier too speaks RFC 9457 where it is asked to."""
    headers = {"Accept": "application/problem+json"}
    answer = await send(services.verifier.port, "POST", "/verify", headers, b"{}", "v")
    assert answer.headers["Content-Type"].partition(";")[0] == "application/problem+json"
    assert answer.json.keys() == {"type", "title", "status", "detail", "reason"}
    assert (answer.json["title"], answer.json["reason"]) == ("Bad Request", "MISSING_HTTP_METHOD")


async def test_log_line(services: Services) -> None:
    """One line a question, with the authority that was asked about and, once proven, the agent."""
    agent = await services.agent()
    answer = await services.verify(agent.sign())
    again = await services.verify({"Signature-Agent": agent.header})
    line = await services.verifier.line_of(answer)
    assert (line["route"], line["status"], line["outcome"]) == ("/verify", 200, "verified")
    assert (line["uid"], line["kid"]) == (agent.uid, agent.key.public.kid)
    assert (line["authority"], line["service"]) == ("tool.example", "verifier")
    assert "reason" not in line
    line = await services.verifier.line_of(again)
    assert (line["outcome"], line["reason"]) == ("unsigned", "MISSING_SIGNATURE_INPUT")
    assert line["authority"] == "tool.example"


async def test_metrics(services: Services) -> None:
    """Verdicts are counted by outcome, reason and profile; round trips and the key cache by what came of them."""
    agent = await services.agent()
    with services.another_verifier() as verifier:

        def verdicts(outcome: str, reason: str, profile: str) -> float:
            return verifier.count(
                "vestry_verifications_total", outcome=outcome, reason=reason, profile=profile
            )

        headers = agent.sign()
        for signed in (headers, headers, agent.sign_strictly(), agent.at("agent-" + "0" * 24).sign(), {}):
            await services.verify(signed, verifier=verifier)
        assert verdicts("verified", "", "vestauth") == 1
        assert verdicts("verified", "", "web-bot-auth") == 1
        assert verdicts("invalid", "REPLAYED_NONCE", "") == 1
        assert verdicts("unverified", "UNKNOWN_KEY", "") == 1
        assert verdicts("unsigned", "MISSING_SIGNATURE_INPUT", "") == 1
        await services.ask(b"[]", verifier)
        assert verdicts("", "MALFORMED_REQUEST", "") == 1
        assert verifier.count("vestry_replay_checks_total", result="fresh") == 2
        assert verifier.count("vestry_replay_checks_total", result="replayed") == 1
        assert verifier.count("vestry_verify_duration_seconds_count") == 6
        assert verifier.count("vestry_key_cache_events_total", event="hit") == 2
        assert verifier.count("vestry_key_cache_events_total", event="record") >= 1
        assert (
            verifier.count(
                "http_requests_total", service="verifier", method="POST", route="/verify", status="200"
            )
            == 2
        )


async def test_readiness(services: Services) -> None:
    """Redis alone decides; the registrar is shown, and fails nothing."""
    with services.another_verifier(REGISTRAR_URL="http://127.0.0.1:9") as verifier:
        answer = await verifier.ready()
        assert answer.status == 200
        checks = answer.json["checks"]
        assert (checks["redis"]["status"], checks["redis"]["required"]) == ("ok", True)
        assert (checks["registrar"]["status"], checks["registrar"]["required"]) == ("failed", False)
    for path in ("/readyz", "/healthz", "/livez"):
        for port in (services.verifier.port, services.verifier.internal_port):
            assert (await send(port, "GET", path, host="probe")).status == 200


async def test_scrape(services: Services) -> None:
    """The internal port serves every metric of the contract."""
    answer = await send(services.verifier.internal_port, "GET", "/metrics", host="prometheus")
    for name in (
        "vestry_verifications_total", 'vestry_verify_duration_seconds_bucket{le="0.00025"}',
        "vestry_replay_checks_total", "vestry_key_cache_events_total", "vestry_build_info",
        "http_requests_total", "http_requests_in_progress",
    ):  # fmt: skip
        assert name in answer.body.decode()


async def test_limits_are_inclusive(services: Services) -> None:
    """Sixteen labels, 64 components and 512 characters of nonce are still read."""
    agent = await services.agent()
    headers = {f"X-{i}": "v" for i in range(63)}
    covered = ('"@authority"', *(f'"x-{i}"' for i in range(63)))
    assert (await services.verify(agent.sign(headers=headers, covered=covered))).status == 200
    long = signer.nonce() * 6
    assert (await services.verify(agent.sign(nonce=long[:512]))).status == 200
