"""The registrar's answers, row by row of the wire contract: status, body, headers."""

import asyncio
import json
import re
from typing import Any

import pytest

from bare_client import Answer, send
from services import BASE, DIRECTORY, HOST, Agent, Services, jwk_body
from vestry_service.start import VERSION
from vestry_signatures import PrivateKey, generate

MEDIA_TYPE = "application/http-message-signatures-directory+json"
NOBODY = "agent-" + "f" * 24


def is_json(answer: Answer) -> bool:
    return answer.headers["Content-Type"].partition(";")[0] == "application/json"


async def test_front_page(services: Services) -> None:
    """`GET /` at the base says what answers here."""
    answer = await services.call("GET", "/")
    assert (answer.status, is_json(answer)) == (200, True)
    assert answer.json == {"service": "vestry", "status": "ok", "version": VERSION}
    assert (await services.call("HEAD", "/")).body == b""


async def test_register(services: Services) -> None:
    """A new key makes an agent; the answer has exactly four members."""
    key = generate()
    answer = await services.register(key)
    assert (answer.status, is_json(answer)) == (200, True)
    assert re.fullmatch(r"agent-[0-9a-f]{24}", answer.json["uid"])
    assert answer.json == {
        "uid": answer.json["uid"],
        "kid": key.public.kid,
        "public_jwk": key.public.jwk,
        "is_new": True,
    }


async def test_register_again(services: Services) -> None:
    """The same key again gives the same agent, with any new signature, and with either tag."""
    key = generate()
    first = (await services.register(key)).json
    for tag in ("null", "web-bot-auth"):
        assert (await services.register(key, tag=tag)).json == {**first, "is_new": False}


async def thirty_two_at_once(services: Services, key: PrivateKey, path: str) -> list[Answer]:
    """Register a key so often at the same moment; who is told to sign anew, since this machine is busy, does so."""

    async def register() -> Answer:
        answer = await services.register(key, path)
        return answer if answer.status != 503 else await register()

    return await asyncio.gather(*(register() for _ in range(32)))


async def test_register_thirty_two_at_once(services: Services) -> None:
    """Of many registrations of one key at the same moment one makes the agent, and all name it."""
    key = generate()
    answers = await thirty_two_at_once(services, key, "/register")
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["uid"] for answer in answers}) == 1
    assert sum(answer.json["is_new"] for answer in answers) == 1
    [(count,)] = services.sql("SELECT count(*) FROM public_jwks WHERE kid = %s", key.public.kid)
    assert count == 1


async def test_register_tool(services: Services) -> None:
    """A tool is registered alike, in a table of its own; again it is known, also thirty-two at once."""
    key = generate()
    answers = await thirty_two_at_once(services, key, "/tool/register")
    [new] = [answer.json for answer in answers if answer.json["is_new"]]
    assert re.fullmatch(r"tool-[0-9a-f]{24}", new["uid"])
    assert new == {"uid": new["uid"], "kid": key.public.kid, "public_jwk": key.public.jwk, "is_new": True}
    assert all(answer.json == {**new, "is_new": answer.json["is_new"]} for answer in answers)
    digits = new["uid"].removeprefix("tool-")
    assert services.sql("SELECT count(*) FROM tools WHERE uid = %s", digits) == [(1,)]
    assert services.sql("SELECT count(*) FROM agents WHERE uid = %s", digits) == [(0,)]


async def test_whoami(services: Services) -> None:
    """By GET and by POST with an empty body, the same four members."""
    agent = await services.agent()
    for method in ("GET", "POST"):
        answer = await services.call(method, "/whoami", agent.sign(method, f"{BASE}/whoami"))
        assert (answer.status, is_json(answer)) == (200, True)
        assert answer.json == {
            "uid": agent.uid,
            "kid": agent.key.public.kid,
            "public_jwk": agent.key.public.jwk,
            "well_known_url": agent.url + DIRECTORY,
        }


async def test_whoami_by_the_stricter_profile(services: Services) -> None:
    """An agent that covers its Signature-Agent may leave the nonce out."""
    agent = await services.agent()
    headers = agent.sign_strictly("GET", f"{BASE}/whoami", nonce=None)
    assert (await services.call("GET", "/whoami", headers)).json["uid"] == agent.uid


async def test_rotate(services: Services) -> None:
    """The new key is active and the old one is not, everywhere, when the answer comes."""
    agent, new = await services.agent(), generate()
    answer = await services.rotate(agent, new)
    assert (answer.status, is_json(answer)) == (200, True)
    assert answer.json == {"uid": agent.uid, "kid": new.public.kid, "public_jwk": new.public.jwk}
    assert await services.directory(agent) == [new.public.kid]
    assert (await services.whoami(Agent(new, agent.uid))).json["kid"] == new.public.kid
    states = services.sql(
        "SELECT k.kid, k.state FROM public_jwks k JOIN agents a ON a.id = k.agent_id WHERE a.uid = %s",
        agent.uid.removeprefix("agent-"),
    )
    assert dict(states) == {agent.key.public.kid: "revoked", new.public.kid: "active"}
    assert services.sql("SELECT count(*) FROM outbox") == [(0,)], "what is published is not kept"


async def test_rotate_ten_at_once_from_the_same_key(services: Services) -> None:
    """One of them wins; the others are told that their key is revoked; the agent has one key throughout."""
    agent, keys = await services.agent(), [generate() for _ in range(10)]
    seen: list[int] = []
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            seen.append(len(await services.directory(agent)))

    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        answers = await asyncio.gather(*(services.rotate(agent, key) for key in keys))
        done.set()
    verdicts = sorted(answer.verdict for answer in answers)
    assert verdicts == [(200, "")] + [(401, "REVOKED_KEY")] * 9
    [winner] = [answer.json["kid"] for answer in answers if answer.status == 200]
    assert await services.directory(agent) == [winner]
    assert set(seen) == {1}


async def test_rotate_two_agents_to_one_key_at_once(services: Services) -> None:
    """Of two agents that take the same new key at the same moment one gets it, and the other keeps its own."""
    for _ in range(5):
        first, second, new = await services.agent(), await services.agent(), generate()
        answers = await asyncio.gather(services.rotate(first, new), services.rotate(second, new))
        assert sorted(answer.verdict for answer in answers) == [(200, ""), (409, "KEY_TAKEN")]
        loser = first if answers[0].status == 409 else second
        assert await services.directory(loser) == [loser.key.public.kid]


async def directory(services: Services, agent: Agent, method: str = "GET", **headers: str) -> Answer:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await services.call(method, DIRECTORY, given, host=f"{agent.uid}.{HOST}")


async def test_directory(services: Services) -> None:
    """A JWK Set under the agent's own host, for caches and for every origin."""
    agent = await services.agent()
    answer = await directory(services, agent)
    assert answer.status == 200
    assert answer.json == {"keys": [agent.key.public.jwk]}
    assert answer.headers["Content-Type"].partition(";")[0] == MEDIA_TYPE
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert re.fullmatch(r'"[0-9a-f]+"', answer.headers["ETag"]), "a strong tag"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_directory_that_has_not_changed(services: Services) -> None:
    """A caller who has it already gets 304 with the same tag and no body; a rotation changes the tag."""
    agent = await services.agent()
    tag = (await directory(services, agent)).headers["ETag"]
    for given in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        answer = await directory(services, agent, If_None_Match=given)
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)
        assert answer.headers["Cache-Control"] == "public, max-age=60"
    for given in ('"x"', "nonsense", "", tag[1:-1]):
        assert (await directory(services, agent, If_None_Match=given)).status == 200
    assert (await services.rotate(agent, generate())).status == 200
    changed = await directory(services, agent, If_None_Match=tag)
    assert (changed.status, changed.headers["ETag"] != tag) == (200, True)


async def test_directory_by_head(services: Services) -> None:
    """HEAD has the same headers as GET and no body."""
    agent = await services.agent()
    get, head = await directory(services, agent), await directory(services, agent, "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Access-Control-Allow-Origin"):
        assert head.headers[name] == get.headers[name]


async def test_directory_by_its_path(services: Services) -> None:
    """Under the base, and there alone, the same directory is found by the agent's uid in the path."""
    agent = await services.agent()
    path = f"/agents/{agent.uid}{DIRECTORY}"
    at_host, at_path = await directory(services, agent), await services.call("GET", path)
    assert (at_path.status, at_path.body) == (200, at_host.body)
    for name in ("Content-Type", "ETag", "Cache-Control", "Access-Control-Allow-Origin"):
        assert at_path.headers[name] == at_host.headers[name]
    assert (await services.call("HEAD", path)).status == 200
    assert (await services.call("GET", path, {"If-None-Match": at_host.headers["ETag"]})).status == 304
    for host in (f"{agent.uid}.{HOST}", f"{NOBODY}.{HOST}"):
        assert (await services.call("GET", path, host=host)).verdict == (421, "MISDIRECTED_REQUEST")
    with services.another_registrar(ALLOWED_AUTHORITIES="inside.example") as registrar:
        answer = await services.call("GET", path, host="inside.example", registrar=registrar)
        assert answer.verdict == (421, "MISDIRECTED_REQUEST")


@pytest.mark.parametrize(
    "uid", [NOBODY, "agent-x", "tool-" + "0" * 24, "AGENT-" + "F" * 24, "%00", "..", "a'b"]
)
async def test_directory_of_nobody(services: Services, uid: str) -> None:
    """A uid that no agent has is not found, whatever it looks like."""
    answer = await services.call("GET", f"/agents/{uid}{DIRECTORY}")
    assert answer.verdict == (404, "NOT_FOUND")
    if uid == NOBODY:
        for path in (DIRECTORY, "/"):
            at_host = await services.call("GET", path, host=f"{uid}.{HOST}")
            assert at_host.verdict == (404, "NOT_FOUND")


async def test_directory_of_a_tool_or_of_the_base(services: Services) -> None:
    """Tools have no directory, and neither has the base itself."""
    uid = (await services.register(generate(), "/tool/register")).json["uid"]
    assert (await services.call("GET", f"/agents/{uid}{DIRECTORY}")).status == 404
    assert (await services.call("GET", DIRECTORY, host=f"{uid}.{HOST}")).status == 421
    assert (await services.call("GET", DIRECTORY)).verdict == (404, "NOT_FOUND")


async def test_agents_front_page(services: Services) -> None:
    """`GET /` at an agent URL is a JWK Set too, with the uid; it is cached and compared alike."""
    agent = await services.agent()
    host = f"{agent.uid}.{HOST}"
    answer = await services.call("GET", "/", host=host)
    assert (answer.status, is_json(answer)) == (200, True)
    assert answer.json == {"uid": agent.uid, "keys": [agent.key.public.jwk]}
    tag = answer.headers["ETag"]
    assert (await services.call("GET", "/", {"If-None-Match": tag}, host=host)).status == 304
    assert (await services.call("HEAD", "/", host=host)).status == 200


@pytest.mark.parametrize(
    "host", ["agents.example", "AGENTS.EXAMPLE", "agents.example:443", "Agents.Example:0443"]
)
async def test_spellings_of_the_base(services: Services, host: str) -> None:
    """Every spelling of our own Host is us, and signatures count for the one configured spelling."""
    agent = await services.agent()
    signed = agent.sign("GET", f"{BASE}/whoami")
    assert (await services.call("GET", "/whoami", signed, host=host)).json["uid"] == agent.uid
    at_agent = host.lower().replace("agents.example", f"{agent.uid}.agents.example")
    assert (await services.call("GET", DIRECTORY, host=at_agent)).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("GET", "/register", "POST"),
        ("PUT", "/register", "POST"),
        ("GET", "/rotate", "POST"),
        ("DELETE", "/rotate", "POST"),
        ("GET", "/tool/register", "POST"),
        ("DELETE", "/whoami", "GET, POST"),
        ("HEAD", "/whoami", "GET, POST"),
        ("OPTIONS", "/whoami", "GET, POST"),
        ("POST", DIRECTORY, "GET, HEAD"),
        ("PATCH", f"/agents/{NOBODY}{DIRECTORY}", "GET, HEAD"),
        ("POST", "/livez", "GET, HEAD"),
    ],
)
async def test_method_that_is_not_for_this_path(
    services: Services, method: str, path: str, allowed: str
) -> None:
    """405 names the methods there are."""
    answer = await services.call(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert method == "HEAD" or answer.error["reason"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "path", ["/nowhere", "/register/", "//register", "/Register", "/agents", "/rotate/x"]
)
async def test_path_that_is_none(services: Services, path: str) -> None:
    """404 in the one form."""
    for method in ("GET", "POST"):
        answer = await services.call(method, path)
        assert (answer.verdict, is_json(answer)) == ((404, "NOT_FOUND"), True)


async def refused(services: Services, **headers: str) -> Answer:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await services.call("GET", "/whoami", given)


async def test_error_form(services: Services) -> None:
    """The form that vestauth's clients read: everything under `error`."""
    answer = await refused(services)
    assert answer.json.keys() == {"error"}
    assert answer.error == {
        "status": 401,
        "code": 401,
        "message": f"[MISSING_SIGNATURE_INPUT] {answer.error['message'].partition('] ')[2]}",
        "reason": "MISSING_SIGNATURE_INPUT",
        "outcome": "unsigned",
    }
    assert answer.error["message"].partition("] ")[2]
    assert answer.headers["WWW-Authenticate"] == "Signature"
    assert 'tag="web-bot-auth"' in answer.headers["Accept-Signature"]
    assert "Server" not in answer.headers


@pytest.mark.parametrize(
    ("accept", "as_problem"),
    [
        ("application/problem+json", True),
        ("application/json, application/problem+json;q=0.5", True),
        ("Application/Problem+JSON", True),
        ("application/problem+json;q=0", False),
        ("*/*", False),
        ("application/*", False),
        ("application/json", False),
        ("text/html", False),
    ],
)
async def test_problem_form(services: Services, accept: str, as_problem: bool) -> None:
    """Who names the form of RFC 9457 gets the same facts in it; a wildcard names nothing."""
    answer = await refused(services, Accept=accept)
    expected: dict[str, Any] = {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": (await refused(services)).error["message"].partition("] ")[2],
        "reason": "MISSING_SIGNATURE_INPUT",
        "outcome": "unsigned",
    }
    if as_problem:
        assert answer.headers["Content-Type"].partition(";")[0] == "application/problem+json"
        assert answer.json == expected
    else:
        assert is_json(answer)
        assert answer.error["reason"] == "MISSING_SIGNATURE_INPUT"
    assert answer.headers["WWW-Authenticate"] == "Signature"


async def test_errors_that_are_no_verdict_have_no_outcome(services: Services) -> None:
    """What concerns no signature names no outcome."""
    for answer in (
        await services.call("GET", "/nowhere"),
        await services.call("POST", "/register", body=b"x"),
        await services.call("GET", "/", host="evil.example"),
    ):
        assert "outcome" not in answer.error
        assert "WWW-Authenticate" not in answer.headers


async def test_request_id(services: Services) -> None:
    """Taken over where it is harmless, made where there is none, and always returned."""
    answer = await services.call("GET", "/", {"X-Request-Id": "trace-1.2_3"})
    assert answer.headers["X-Request-Id"] == "trace-1.2_3"
    made = {
        (await services.call("GET", path)).headers["X-Request-Id"] for path in ("/", "/nowhere", "/livez")
    }
    assert len(made) == 3


async def test_no_answer_names_the_software(services: Services) -> None:
    """Nowhere a Server header."""
    for method, path in (("GET", "/"), ("GET", "/nowhere"), ("POST", "/rotate"), ("GET", "/readyz")):
        assert "Server" not in (await services.call(method, path)).headers


async def test_log_line(services: Services) -> None:
    """One line a request, with the fields of the contract and nothing else."""
    agent = await services.agent()
    answer = await services.whoami(agent)
    line = await services.registrar.line_of(answer)
    assert list(line) == [
        "ts", "level", "event", "service", "version", "request_id", "method", "route", "status", "duration_ms",
        "outcome", "uid", "kid", "authority", "client_ip",
    ]  # fmt: skip
    assert (line["method"], line["route"], line["status"]) == ("GET", "/whoami", 200)
    assert (line["outcome"], line["uid"], line["kid"]) == ("verified", agent.uid, agent.key.public.kid)
    assert (line["authority"], line["client_ip"]) == (HOST, "127.0.0.1")
    assert line["service"] == "registrar"
    assert 0 < line["duration_ms"] < 10_000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["ts"])


async def test_log_line_of_a_refusal(services: Services) -> None:
    """A refusal is written down with its reason and its route's template, never the path that was asked."""
    line = await services.registrar.line_of(await services.call("GET", f"/agents/{NOBODY}{DIRECTORY}"))
    assert (line["status"], line["reason"]) == (404, "NOT_FOUND")
    assert line["route"] == "/agents/{uid}" + DIRECTORY
    line = await services.registrar.line_of(await services.call("GET", "/secret-path"))
    assert line["route"] == "unmatched"


async def test_metrics(services: Services) -> None:
    """Registrations and rotations are counted by what became of them, requests by route and status."""
    registrar = services.registrar

    def counts() -> dict[str, float]:
        return {
            "new": registrar.count("vestry_registrations_total", result="new"),
            "known": registrar.count("vestry_registrations_total", result="known"),
            "weak": registrar.count("vestry_registrations_total", result="WEAK_KEY"),
            "rotated": registrar.count("vestry_rotations_total", result="rotated"),
            "in use": registrar.count("vestry_rotations_total", result="KEY_IN_USE"),
            "route": registrar.count(
                "http_requests_total", service="registrar", method="POST", route="/rotate", status="409"
            ),
        }

    before = counts()
    agent = await services.agent()
    await services.register(agent.key)
    weak = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}
    await services.call("POST", "/register", agent.sign(), jwk_body(weak))
    await services.rotate(agent, agent.key)
    await services.rotate(agent, generate())
    after = counts()
    assert {name: after[name] - before[name] for name in after} == dict.fromkeys(after, 1.0)


async def test_scrape(services: Services) -> None:
    """The internal port serves every metric of the contract in Prometheus' form."""
    answer = await send(services.registrar.internal_port, "GET", "/metrics", host="prometheus")
    text = answer.body.decode()
    assert answer.headers["Content-Type"].startswith("text/plain")
    for name in (
        "http_requests_total", "http_request_duration_seconds_bucket", "http_requests_in_progress",
        "vestry_registrations_total", "vestry_rotations_total", 'vestry_agents{state="active"}',
        'vestry_keys{state="active"}', "vestry_outbox_pending", 'vestry_db_pool_connections{state="open"}',
        "vestry_build_info",
    ):  # fmt: skip
        assert name in text


async def test_internal_question(services: Services) -> None:
    """The verifier's question is answered with public facts, in whatever state the pair is; null for no pair."""

    async def tell(uid: str, kid: str) -> Any:
        path = f"/internal/agents/{uid}/keys/{kid}"
        return (await send(services.registrar.internal_port, "GET", path, host="registrar")).json["record"]

    agent, new = await services.agent(), generate()
    kid = agent.key.public.kid
    active = {
        "version": 1,
        "uid": agent.uid,
        "kid": kid,
        "state": "active",
        "not_before": 0,
        "not_after": 0,
        "x": agent.key.public.jwk["x"],
    }
    assert await tell(agent.uid, kid) == active
    assert (await services.rotate(agent, new)).status == 200
    assert await tell(agent.uid, kid) == {**active, "version": 2, "state": "revoked"}
    assert await tell(NOBODY, kid) is None
    assert await tell(agent.uid, "A" * 43) is None
    assert json.dumps(await tell(agent.uid, new.public.kid))
