"""Bodies, JSON, hosts and addresses, read with suspicion."""

import gzip
import json
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from raw_http import Served
from vestry_service import requests
from vestry_service.requests import client_ip, parse_json_object, read_body
from vestry_signatures.errors import MalformedRequest

Serve = Callable[[web.Application], Awaitable[Served]]
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
LIMIT = 1000


@pytest.fixture
async def echo(app: web.Application, serve: Serve) -> Served:
    """Answers with the body it read, of at most LIMIT bytes."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=await read_body(request, LIMIT))

    app.router.add_post("/", handler)
    return await serve(app)


def chunked(*chunks: bytes) -> bytes:
    coded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"


async def test_a_body_is_read_whole(echo: Served) -> None:
    """In one piece, in pieces, chunked, or not there at all."""
    assert (await echo.ask(HEAD + b"Content-Length: 3\r\n\r\nabc")).body == b"abc"
    assert (await echo.ask(HEAD + b"Content-Length: 3\r\n\r\n", b"ab", b"c", pause=0.02)).body == b"abc"
    assert (await echo.ask(chunked(b"ab", b"c"))).body == b"abc"
    assert (await echo.ask(HEAD + b"\r\n")).body == b""


async def test_the_limit_holds_however_the_body_comes(echo: Served) -> None:
    """Announced, chunked at once, or chunk after chunk."""
    announced = await echo.ask(HEAD + b"Content-Length: 1000000000\r\n\r\n")
    at_once = await echo.ask(chunked(b"x" * (LIMIT + 1)))
    bit_by_bit = await echo.ask(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"190\r\n" + b"x" * 400 + b"\r\n"] * 4, pause=0.02
    )
    for answer in (announced, at_once, bit_by_bit):
        assert (answer.status, answer.error["reason"]) == (413, "BODY_TOO_LARGE")
    assert (await echo.ask(chunked(b"x" * LIMIT))).status == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "gzip, identity"])
async def test_a_coded_body_is_refused_before_it_is_inflated(echo: Served, coding: str) -> None:
    """A kilobyte of gzip can stand for a megabyte."""
    body = gzip.compress(b"x" * 1_000_000)
    answer = await echo.send("POST", "/", body, Content_Encoding=coding)
    assert (answer.status, answer.error["reason"]) == (400, "MALFORMED_REQUEST")
    assert "Content-Encoding" in answer.error["message"]
    assert (await echo.send("POST", "/", b"abc", Content_Encoding="identity")).body == b"abc"


async def test_a_broken_chunked_body_is_refused(echo: Served) -> None:
    """Whether the break comes with the head or later."""
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    for parts in ((head + b"zz\r\n",), (head, b"3\r\nabc\r\n", b"nonsense\r\n")):
        answer = await echo.ask(*parts, pause=0.02)
        assert (answer.status, answer.error["reason"]) == (400, "MALFORMED_REQUEST")
        assert b"zz" not in answer.body
        assert b"nonsense" not in answer.body


async def test_a_body_that_never_comes_is_not_waited_for(
    echo: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow sender holds a connection for a limited time only."""
    monkeypatch.setattr(requests, "BODY_TIMEOUT", 0.1)
    answer = await echo.ask(HEAD + b"Content-Length: 10\r\n\r\nabc")
    assert (answer.status, answer.error["reason"]) == (400, "MALFORMED_REQUEST")


def test_an_object_is_parsed() -> None:
    """What is unambiguous is taken as it is."""
    assert parse_json_object('{"a": {"b": [1, "é", "\\u00e9", "\\ud83d\\ude00"]}}'.encode()) == {
        "a": {"b": [1, "é", "é", "😀"]}
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"a"',
        b"{",
        b"{}x",
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"x":{"a":1,"a":1}}',
        b'{"x":[{"a":1,"a":1}]}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\x00"}',
        b"\xef\xbb\xbf{}",
        b"\x00{\x00}",
        b'{"a":' + b"[" * 50_000,
        b'{"a":' * 10_000,
        b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"a":' + b"9" * 10_000 + b"}",
        b"{'a':1}",
        b'{"a":1,}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_anything_ambiguous_or_broken_is_refused(body: bytes) -> None:
    """Two readers must not understand the same body differently; nothing makes the parser fall over."""
    with pytest.raises(MalformedRequest):
        parse_json_object(body)


HOSTS = [
    (b"GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n", 404),
    (b"GET /x HTTP/1.0\r\nHost: a.example\r\n\r\n", 404),
    (b"GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", 404),
    (b"GET http://A.example?x HTTP/1.1\r\nHost: a.Example\r\n\r\n", 404),
    (b"OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", 404),
    (b"GET /x HTTP/1.0\r\n\r\n", 400),
    (b"GET /x HTTP/1.1\r\nHost:\r\n\r\n", 400),
    (b"GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", 400),
    (b"GET http://a.example:81/ HTTP/1.1\r\nHost: a.example\r\n\r\n", 400),
    (b"GET http://b.example@a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", 400),
    (b"GET http://a.example/x HTTP/1.0\r\n\r\n", 400),
    (b"CONNECT b.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", 400),
]


@pytest.mark.parametrize(("head", "status"), HOSTS, ids=lambda value: repr(value)[:60])
async def test_the_host_is_said_once_and_plainly(echo: Served, head: bytes, status: int) -> None:
    """A request that means two hosts could be one thing to a gateway and another to us."""
    answer = await echo.ask(head)
    assert answer.status == status
    assert answer.error["reason"] == {404: "NOT_FOUND", 400: "MALFORMED_REQUEST"}[status]
    assert b"example" not in answer.body


def asked_by(peer: str, *forwarded: str) -> Any:
    headers = [("X-Forwarded-For", line) for line in forwarded]

    class Transport:
        def get_extra_info(self, name: str, default: object = None) -> object:
            return (peer, 1) if name == "peername" else default

    return make_mocked_request("GET", "/", headers=headers, transport=Transport())  # type: ignore[arg-type]


TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["6.6.6.6, nonsense"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["2001:DB8::1"], "2001:db8::1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_client_is_the_rightmost_address_that_no_proxy_of_ours_has(
    peer: str, forwarded: list[str], client: str
) -> None:
    """What is further left was written by the client itself."""
    assert client_ip(asked_by(peer, *forwarded), TRUSTED) == client


def test_without_trusted_proxies_the_header_is_not_read() -> None:
    """Anybody can send it."""
    assert client_ip(asked_by("10.0.0.1", "6.6.6.6"), ()) == "10.0.0.1"


def test_json_is_what_the_standard_library_reads() -> None:
    """Strictness changes no value."""
    value = {"headers": {"Signature": "x", "List": ["a", "b"]}, "n": [1, 2.5, True, None]}
    assert parse_json_object(json.dumps(value).encode()) == value
