"""What never becomes a request is answered as we answer, and repeats nothing of what was sent."""

import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from raw_http import Answer, Served, answer_of
from service_log import Log
from vestry_service import protocol
from vestry_service.metrics import Metrics
from vestry_service.requests import read_body

Serve = Callable[[web.Application], Awaitable[Served]]
MARK = b"ZQXJKV"


@pytest.fixture
async def served(app: web.Application, serve: Serve) -> Served:
    async def fine(request: web.Request) -> web.Response:
        return web.Response(body=await read_body(request, 1000))

    app.router.add_route("*", "/", fine)
    return await serve(app)


def assert_refused(answer: Answer) -> None:
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.error["reason"] == "MALFORMED_REQUEST"
    assert answer.error["code"] == 400
    assert "x-request-id" in answer.headers
    assert "server" not in answer.headers
    assert MARK not in answer.body + json.dumps(answer.headers).encode()


UNREADABLE = {
    "no Host": b"GET /%b HTTP/1.1\r\n\r\n",
    "no Host in HTTP/1.0": b"GET /%b HTTP/1.0\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: %b\r\n\r\n",
    "two equal Hosts": b"GET / HTTP/1.1\r\nX: %b\r\nHost: a\r\nhost: a\r\n\r\n",
    "a header of 100 KB": b"GET / HTTP/1.1\r\nHost: a\r\nX: %b" + b"x" * 100_000 + b"\r\n\r\n",
    "a target of 100 KB": b"GET /%b" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "1,000 headers": b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03%b\r\n\r\n",
    "a bad request line": b"GET / %b HTTP/1.1\r\nHost: a\r\n\r\n",
    "an unknown version": b"GET / HTTP/9.7\r\nHost: a\r\nX: %b\r\n\r\n",
    "an unknown method": b"%b / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header without colon": b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost: a\r\n%b : x\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n %b\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00%b\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 6\r\n\r\n%b",
    "length and chunked": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%b"
    ),
    "a negative length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -6\r\n\r\n%b",
    "an expectation we cannot meet": b"POST / HTTP/1.1\r\nHost: a\r\nExpect: %b\r\nContent-Length: 0\r\n\r\n",
    "a bad chunk with the head": (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n\r\n"
    ),
}


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_cannot_be_read_is_refused_in_our_form(served: Served, sent: bytes, log: Log) -> None:
    """400 MALFORMED_REQUEST as JSON, with an id, without `Server` and without a byte of the request."""
    assert_refused(await served.ask(sent.replace(b"%b", MARK)))
    assert MARK.decode() not in log.text
    assert log.lines[-1]["reason"] == "MALFORMED_REQUEST"
    assert not [line for line in log.lines if line["level"] == "error"]


async def test_garbage_behind_a_good_request_is_refused(served: Served) -> None:
    """A good request that was read before is answered; what comes in one piece with garbage is refused with it."""
    good, garbage = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", MARK + b"\x00\x01\r\n\r\n"
    first, second = (await served.raw(good, garbage, pause=0.05)).split(b"HTTP/1.0 400", 1)
    assert answer_of(first).status == 200
    assert_refused(answer_of(b"HTTP/1.0 400" + second))
    assert_refused(await served.ask(good + garbage))


async def test_a_chunk_that_breaks_later_ends_the_request_at_once(served: Served, log: Log) -> None:
    """A handler that waits for the rest of a body is told that it will never come; nothing is answered twice."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    found = await served.raw(head, b"3\r\nabc\r\n", MARK + b"\r\n", pause=0.02)
    assert found.count(b"HTTP/1.") == 1
    assert_refused(answer_of(found))
    assert [line["status"] for line in log.lines] == [400]


async def test_a_slow_head_is_read_and_too_slow_a_one_is_cut_off(
    app: web.Application, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client may take its time, but not hold a connection for ever."""
    served = await serve(app)
    answer = await served.ask(b"GET / HT", b"TP/1.1\r\nHo", b"st: a\r\n\r\n", pause=0.05)
    assert answer.status == 404
    monkeypatch.setattr(protocol, "KEEPALIVE", 0.2)
    hasty = await serve(app)
    assert await hasty.raw(b"GET / HT", b"TP/1.1\r\nHo", pause=0.15) == b""


async def test_refusals_are_counted(served: Served, metrics: Metrics) -> None:
    """Under one label: what was sent has no say in it."""
    await served.ask(b"BREW /pot HTTP/1.1\r\n\r\n")
    text = metrics.render()[0].decode()
    assert 'http_requests_total{method="other",route="unparsed",service="registrar",status="400"} 1.0' in text


async def test_headers_as_large_as_signatures_need_are_read(served: Served) -> None:
    """A signature header may have 8 KiB; it is judged by who verifies it and not by the parser."""
    answer = await served.ask(
        b"GET / HTTP/1.1\r\nHost: a\r\nSignature: " + b"x" * 8192 + b"\r\nConnection: close\r\n\r\n"
    )
    assert answer.status == 200


async def test_a_body_behind_a_refusal_does_not_become_a_request(served: Served) -> None:
    """What follows a refused head is thrown away with the connection, so nothing can be smuggled in it."""
    smuggled = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    found = await served.raw(
        b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: 28\r\n\r\n" + smuggled
    )
    assert found.count(b"HTTP/1.") == 1


async def test_a_fault_outside_of_handlers_is_500_and_quotes_nothing(
    served: Served, app: web.Application, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a fault in routing itself is answered in our form."""

    async def broken(_request: web.Request) -> object:
        raise ValueError(MARK.decode())

    monkeypatch.setattr(app.router, "resolve", broken)
    answer = await served.get("/")
    assert (answer.status, answer.error["reason"]) == (500, "INTERNAL_ERROR")
    assert answer.error["request_id"] == answer.headers["x-request-id"]
    assert MARK not in answer.body
    assert MARK.decode() not in log.text
    assert "ValueError" in log.text
