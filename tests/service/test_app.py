"""The one middleware: ids, counts, lines, and one form for every error."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from raw_http import Served
from service_log import Log
from vestry_service.app import METRICS, make_app
from vestry_service.errors import KeyTaken
from vestry_service.metrics import Metrics
from vestry_service.observed import OBSERVED
from vestry_service.requests import read_body
from vestry_signatures.errors import DatabaseUnavailable, ExpiredSignature, MalformedRequest, WeakKey

Serve = Callable[[web.Application], Awaitable[Served]]
SIGNATURE = "sig1=:1GZ2b0SC0ib8pLQXrjGGd9DvTT9hKXzXVBEbxvcvVLhFhmXzvPGjrnVEJmYPqOZrBjTrRmLYhXdVBaQo8XyLDw==:"
NONCE = "Hq3bTsOMnWfL0EDrw8kYCB9n5iN5Vt6zUgYJ4o2jKXl7yAePdRGcS1mQxFhIuZvB"


@pytest.fixture
async def served(app: web.Application, serve: Serve) -> Served:
    """Routes that answer, refuse and break."""

    async def fine(_request: web.Request) -> web.Response:
        return web.Response(text="fine")

    async def facts(request: web.Request) -> web.Response:
        seen = request[OBSERVED]
        seen.outcome, seen.uid, seen.kid, seen.authority = "verified", "agent-1", "k", "a.example"
        return web.Response()

    def raising(error: Exception) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(_request: web.Request) -> web.Response:
            raise error

        return handler

    async def away(_request: web.Request) -> web.Response:
        raise DatabaseUnavailable from ConnectionRefusedError("10.0.0.7")

    async def slurp(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app.add_routes(
        [
            web.get("/fine", fine),
            web.get("/agents/{uid}", fine),
            web.get("/facts", facts),
            web.get("/expired", raising(ExpiredSignature())),
            web.get("/taken", raising(KeyTaken())),
            web.post("/weak", raising(WeakKey())),
            web.get("/away", away),
            web.get("/broken", raising(ValueError(f"secret {NONCE}"))),
            web.get("/teapot", raising(web.HTTPForbidden(text="<html>"))),
            web.get("/livez", fine),
            web.post("/slurp", slurp),
        ]
    )
    return await serve(app)


async def test_an_error_has_the_form_that_vestauth_clients_read(served: Served) -> None:
    """Status twice, the reason in the message and by itself, and the outcome."""
    answer = await served.get("/expired")
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/json"
    assert answer.error == {
        "status": 401,
        "code": 401,
        "message": "[EXPIRED_SIGNATURE] the signature has expired: sign the request anew",
        "reason": "EXPIRED_SIGNATURE",
        "outcome": "invalid",
    }


async def test_an_error_that_judges_no_signature_has_no_outcome(served: Served) -> None:
    """`outcome` is about a signature, so a taken key has none."""
    answer = await served.get("/taken")
    assert (answer.status, answer.error["reason"]) == (409, "KEY_TAKEN")
    assert "outcome" not in answer.error


async def test_401_says_how_to_sign(served: Served) -> None:
    """RFC 9421 section 5.1: times are asked for without a value; a nonce must have one, so a new one is proposed."""
    headers = (await served.get("/expired")).headers
    assert headers["www-authenticate"] == "Signature"
    said, nonce, rest = re.split(r';nonce="([^"]{43})"', headers["accept-signature"])
    assert said + rest == 'sig1=("@authority");created;expires;alg="ed25519";tag="web-bot-auth"'
    assert nonce not in (await served.get("/expired")).headers["accept-signature"]


async def test_accept_signature_can_be_chosen(log: Log, metrics: Metrics, serve: Serve) -> None:
    """An application may ask for something else, which may depend on the request."""
    app = make_app(log.logger, metrics, accept_signature=lambda request: f's=("{request.path}")')

    async def handler(_request: web.Request) -> web.Response:
        raise ExpiredSignature

    app.router.add_get("/", handler)
    assert (await (await serve(app)).get("/")).headers["accept-signature"] == 's=("/")'


async def test_503_says_when_to_try_again_and_the_log_says_why(served: Served, log: Log) -> None:
    """The caller reads calm words; the kind of trouble is for the log alone."""
    answer = await served.get("/away")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.error["outcome"] == "unverified"
    assert b"10.0.0.7" not in answer.body
    assert log.lines[-1]["cause"] == "ConnectionRefusedError"
    assert log.lines[-1]["level"] == "warning"


@pytest.mark.parametrize(
    "accept",
    [
        "application/problem+json",
        "text/html, Application/Problem+JSON;q=0.9, */*",
        "application/problem+json;q=1",
    ],
)
async def test_problem_json_where_accept_names_it(served: Served, accept: str) -> None:
    """The same facts as RFC 9457."""
    answer = await served.get("/expired", Accept=accept)
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": "Unauthorized",
        "detail": "the signature has expired: sign the request anew",
        "status": 401,
        "reason": "EXPIRED_SIGNATURE",
        "outcome": "invalid",
    }
    assert answer.headers["www-authenticate"] == "Signature"


@pytest.mark.parametrize(
    "accept", ["*/*", "application/*", "application/json", "application/problem+json;q=0", "x/problem+json"]
)
async def test_no_problem_json_for_a_wildcard(served: Served, accept: str) -> None:
    """Old clients send `*/*` and read `error` only."""
    answer = await served.get("/expired", Accept=accept)
    assert answer.headers["content-type"] == "application/json"


async def test_an_unforeseen_fault_tells_the_request_id_and_nothing_else(served: Served, log: Log) -> None:
    """No trace, no text of the exception: the log has where it rose, under the same id."""
    answer = await served.get("/broken", X_Request_Id="req-7")
    assert answer.status == 500
    assert (answer.error["reason"], answer.error["request_id"]) == ("INTERNAL_ERROR", "req-7")
    assert b"ValueError" not in answer.body
    assert NONCE not in answer.body.decode() + log.text
    fault = next(line for line in log.lines if line["event"] == "unforeseen fault")
    assert fault["request_id"] == "req-7"
    assert "ValueError" in fault["exception"]


async def test_unknown_paths_and_methods_are_told_in_our_form(served: Served) -> None:
    """404 and 405 come from aiohttp's router, and 405 names the methods there are."""
    missing = await served.get("/nowhere")
    assert (missing.status, missing.error["reason"]) == (404, "NOT_FOUND")
    wrong = await served.send("DELETE", "/weak")
    assert (wrong.status, wrong.error["reason"]) == (405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["allow"] == "POST"
    assert (await served.send("PUT", "/fine")).headers["allow"] == "GET, HEAD"


async def test_other_answers_that_aiohttp_raises_are_translated(served: Served) -> None:
    """An error page of the framework's never goes out."""
    refused = await served.get("/teapot")
    assert refused.error["reason"] == "MALFORMED_REQUEST"
    assert b"<html>" not in refused.body


async def test_a_body_that_aiohttp_finds_too_long_is_413(log: Log, metrics: Metrics, serve: Serve) -> None:
    """Also where a handler reads the body without our help."""
    app = make_app(log.logger, metrics, body_limit=10)

    async def slurp(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app.router.add_post("/", slurp)
    answer = await (await serve(app)).send("POST", "/", b"x" * 11)
    assert (answer.status, answer.error["reason"]) == (413, "BODY_TOO_LARGE")
    assert "10 bytes" in answer.error["message"]


async def test_head_answers_carry_no_body(served: Served) -> None:
    """Not even an error's."""
    for target, status in (("/fine", 200), ("/expired", 401), ("/nowhere", 404)):
        answer = await served.send("HEAD", target)
        assert (answer.status, answer.body) == (status, b"")


async def test_a_harmless_request_id_is_taken_over(served: Served, log: Log) -> None:
    """It comes back and stands in the log."""
    answer = await served.get("/fine", X_Request_Id="a.B-c_9")
    assert answer.headers["x-request-id"] == "a.B-c_9"
    assert log.lines[-1]["request_id"] == "a.B-c_9"


@pytest.mark.parametrize("given", ["", "a b", "a;b", "x" * 129, "é", "a\tb"])
async def test_any_other_request_id_is_replaced(served: Served, given: str) -> None:
    """What we repeat in headers and logs is ours or harmless."""
    made = (await served.get("/fine", X_Request_Id=given)).headers["x-request-id"]
    assert made != given
    assert len(made) == 32


async def test_made_request_ids_differ(served: Served) -> None:
    """Each request can be found by its id."""
    assert len({(await served.get("/fine")).headers["x-request-id"] for _ in range(5)}) == 5


async def test_no_answer_names_the_software(served: Served) -> None:
    """No `Server` header: it tells an attacker what to look up."""
    for target in ("/fine", "/expired", "/broken", "/nowhere"):
        assert "server" not in (await served.get(target)).headers


async def test_one_line_a_request_with_the_facts_of_the_handler(served: Served, log: Log) -> None:
    """Exactly the fields of the contract, in its order."""
    await served.get("/facts", X_Request_Id="r1")
    (line,) = log.lines
    assert list(line) == [
        "ts", "level", "event", "service", "version", "request_id", "method", "route", "status", "duration_ms",
        "outcome", "uid", "kid", "authority", "client_ip",
    ]  # fmt: skip
    assert (line["route"], line["status"], line["client_ip"]) == ("/facts", 200, "127.0.0.1")
    assert (line["uid"], line["authority"], line["outcome"]) == ("agent-1", "a.example", "verified")


async def test_a_refusal_is_logged_with_its_reason(served: Served, log: Log) -> None:
    """The reason that the caller read is the one in the log."""
    await served.get("/expired")
    assert (log.lines[-1]["reason"], log.lines[-1]["outcome"]) == ("EXPIRED_SIGNATURE", "invalid")


async def test_no_line_of_a_request_holds_a_signature_nonce_or_key(served: Served, log: Log) -> None:
    """Whatever is sent, wherever it ends."""
    headers = {
        "Signature": SIGNATURE,
        "Signature_Input": f'sig1=("@authority");nonce="{NONCE}"',
        "Authorization": f"Bearer {NONCE}",
        "X_Private_Key": NONCE,
    }
    for target in ("/fine", "/facts", "/expired", "/broken", "/away", "/nowhere", f"/fine?nonce={NONCE}"):
        await served.get(target, **headers)
    body = json.dumps({"d": NONCE, "headers": {"Signature": SIGNATURE}}).encode()
    await served.send("POST", "/slurp", body, **headers)
    await served.send(f"X{NONCE}", f"/{NONCE}", **headers)
    assert len(log.lines) >= 9
    assert NONCE not in log.text
    assert SIGNATURE[6:40] not in log.text


async def test_probes_are_quiet_unless_they_fail(served: Served, metrics: Metrics, serve: Serve) -> None:
    """A line every few seconds from each prober would bury the rest."""
    log = Log("info")
    app = make_app(log.logger, metrics)

    async def draining(_request: web.Request) -> web.Response:
        return web.Response(status=503)

    async def alive(_request: web.Request) -> web.Response:
        return web.Response()

    app.add_routes([web.get("/livez", alive), web.get("/readyz", draining)])
    quiet = await serve(app)
    await quiet.get("/livez")
    await quiet.get("/readyz")
    assert [(line["route"], line["level"]) for line in log.lines] == [("/readyz", "warning")]


async def test_metrics_count_templates_and_known_methods_only(served: Served, metrics: Metrics) -> None:
    """No label is a value that a caller chose."""
    await served.get("/agents/agent-1234")
    await served.get("/nowhere/1234")
    await served.send("PROPFIND", "/fine")
    text = metrics.render()[0].decode()
    count = "http_requests_total"
    assert f'{count}{{method="GET",route="/agents/{{uid}}",service="registrar",status="200"}} 1.0' in text
    assert f'{count}{{method="GET",route="unmatched",service="registrar",status="404"}} 1.0' in text
    assert f'{count}{{method="other",route="unmatched",service="registrar",status="405"}} 1.0' in text
    assert "1234" not in text
    assert 'http_requests_in_progress{service="registrar"} 0.0' in text


async def test_a_cancelled_request_is_counted_and_stays_cancelled(app: web.Application, serve: Serve) -> None:
    """Stopping must not look like a fault, nor leave the gauge of requests in progress up."""
    entered = asyncio.Event()

    async def forever(_request: web.Request) -> web.Response:
        entered.set()
        await asyncio.sleep(60)
        raise AssertionError

    app.router.add_get("/", forever)
    served = await serve(app)
    asking = asyncio.create_task(served.raw(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
    await entered.wait()
    (runner_task,) = [t for t in asyncio.all_tasks() if "_handle_request" in repr(t.get_coro())]
    runner_task.cancel()
    assert await asking == b""
    text = app[METRICS].render()[0].decode()
    assert 'http_requests_total{method="GET",route="/",service="registrar",status="499"} 1.0' in text
    assert 'http_requests_in_progress{service="registrar"} 0.0' in text


async def test_the_guard_sees_every_request_first(log: Log, metrics: Metrics, serve: Serve) -> None:
    """Also one for a path that does not exist."""

    def guard(_request: web.Request) -> None:
        raise MalformedRequest("not here")

    app = make_app(log.logger, metrics, guard=guard)
    answer = await (await serve(app)).get("/nowhere")
    assert (answer.status, answer.error["message"]) == (400, "[MALFORMED_REQUEST] not here")


async def test_keepalive_survives_an_error(served: Served) -> None:
    """A refused request does not cost the connection."""
    one = b"GET /expired HTTP/1.1\r\nHost: a\r\n\r\n"
    found = await served.raw(one, one)
    assert found.count(b"HTTP/1.1 401") == 2


async def test_read_body_and_the_form_work_together(app: web.Application, serve: Serve) -> None:
    """413 from `read_body`, with the limit in words."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await read_body(request, 4))

    app.router.add_post("/", handler)
    served = await serve(app)
    assert (await served.send("POST", "/", b"1234")).body == b"1234"
    assert (await served.send("POST", "/", b"12345")).error["reason"] == "BODY_TOO_LARGE"
