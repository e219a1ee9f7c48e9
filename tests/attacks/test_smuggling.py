"""Attacks with what two readers read differently: doubled names, line breaks, odd bodies."""

import gzip
import json
from typing import Any

import pytest

from bare_client import send, send_bytes
from services import BASE, HOST, TOOL, Agent, Services, jwk_body
from vestry_signatures import generate

MALFORMED = (400, "MALFORMED_REQUEST")


async def test_two_header_names_equal_but_for_case(services: Services) -> None:
    """Of two such names one would be believed here and the other by the tool: refused, and nothing is spent."""
    agent = await services.agent()
    signed = agent.sign()
    for name in signed:
        for second in (name.upper(), name.lower(), name.swapcase()):
            assert (await services.verify({**signed, second: "x"})).verdict == MALFORMED
            assert (await services.verify({second: "x", **signed})).verdict == MALFORMED
    answer = await services.verify({**signed, "X-Other": "1", "x-other": "2"})
    assert answer.verdict == MALFORMED
    assert (await services.verify(signed)).status == 200


@pytest.mark.parametrize("name", ["\u017fignature", "\u212aey", "Signature\u00a0", "Ünsigned"])
async def test_header_name_that_becomes_another_one_in_lower_case(services: Services, name: str) -> None:
    """Letters that fold to ASCII ones make no second spelling of a header name."""
    agent = await services.agent()
    assert (await services.verify({**agent.sign(), name: "x"})).verdict == MALFORMED


async def test_json_member_given_twice(services: Services) -> None:
    """A member given twice, anywhere in the question, is refused whichever of the two is right."""
    agent = await services.agent()
    headers = json.dumps(agent.sign())
    for text in (
        f'{{"method":"GET","url":"{TOOL}","url":"https://evil.example/","headers":{headers}}}',
        f'{{"method":"GET","url":"https://evil.example/","url":"{TOOL}","headers":{headers}}}',
        f'{{"method":"GET","method":"GET","url":"{TOOL}","headers":{headers}}}',
        f'{{"method":"GET","url":"{TOOL}","headers":{headers},"headers":{{}}}}',
        f'{{"method":"GET","url":"{TOOL}","headers":{headers[:-1]},"Signature":"x"}}}}',
        f'{{"method":"GET","url":"{TOOL}","headers":{headers},"x":{{"a":[{{"b":1,"b":2}}]}}}}',
        f'{{"method":"GET","url":"{TOOL}","\\u0075rl":"https://evil.example/","headers":{headers}}}',
    ):
        assert (await services.ask(text.encode())).verdict == MALFORMED
    assert (await services.verify(json.loads(headers))).status == 200


@pytest.mark.parametrize("path", ["/register", "/tool/register", "/rotate"])
async def test_json_member_given_twice_in_a_key(services: Services, path: str) -> None:
    """Nor can a body show one key to us and another one to a gateway."""
    agent, thief = await services.agent(), generate()
    jwk = json.dumps(thief.public.jwk)
    for text in (
        f'{{"public_jwk":{json.dumps(agent.key.public.jwk)},"public_jwk":{jwk}}}',
        f'{{"public_jwk":{jwk[:-1]},"x":"{agent.key.public.jwk["x"]}"}}}}',
    ):
        signed = agent.sign("POST", BASE + path)
        answer = await services.call("POST", path, signed, text.encode())
        assert answer.verdict == MALFORMED
    assert await services.directory(agent) == [agent.key.public.kid]


async def test_line_break_in_a_header_value(services: Services) -> None:
    """One value cannot pose as two lines of a signature base, or as two headers."""
    agent = await services.agent()
    signed = agent.sign(headers={"X-A": "1"}, covered=('"@authority"', '"x-a"'))
    for value in ('1\n"@method": GET', "1\r\nX-B: 2", "1\r", "1\x00"):
        assert (await services.verify({**signed, "X-A": value})).verdict == MALFORMED
    folded = {**agent.sign(), "Signature-Agent": f"sig1=\r\n{agent.url}"}
    assert (await services.verify(folded)).verdict == MALFORMED


@pytest.mark.parametrize(
    ("member", "value", "verdict"),
    [
        ("method", None, (400, "MISSING_HTTP_METHOD")),
        ("method", "", (400, "MISSING_HTTP_METHOD")),
        ("method", 5, MALFORMED),
        ("method", ["GET"], MALFORMED),
        ("method", "GET /", MALFORMED),
        ("method", "GET\n", MALFORMED),
        ("url", None, (400, "MISSING_URI")),
        ("url", "", (400, "MISSING_URI")),
        ("url", 5, MALFORMED),
        ("url", {"href": TOOL}, MALFORMED),
        ("url", "/inbox", (400, "INVALID_URI")),
        ("url", "tool.example/inbox", (400, "INVALID_URI")),
        ("url", "ftp://tool.example/", (400, "INVALID_URI")),
        ("url", "https://", (400, "INVALID_URI")),
        ("url", "https://user:password@tool.example/", (400, "INVALID_URI")),
        ("url", "https://tool.example/#fragment", (400, "INVALID_URI")),
        ("url", "https://tool.example/a b", (400, "INVALID_URI")),
        ("url", "https://tool.example\\@evil.example/", (400, "INVALID_URI")),
        ("url", "https://tool.example:99999/", (400, "INVALID_URI")),
        ("url", "https://tool.example:x/", (400, "INVALID_URI")),
        ("url", "https://töol.example/", (400, "INVALID_URI")),
        ("url", "https://tool.example/\n", (400, "INVALID_URI")),
        ("headers", None, MALFORMED),
        ("headers", [], MALFORMED),
        ("headers", [["Signature", "x"]], MALFORMED),
        ("headers", "Signature: x", MALFORMED),
        ("headers", {"Signature": 5}, MALFORMED),
        ("headers", {"Signature": None}, MALFORMED),
        ("headers", {"Signature": True}, MALFORMED),
        ("headers", {"Signature": ["a", 5]}, MALFORMED),
        ("headers", {"Signature": [["a"]]}, MALFORMED),
        ("headers", {"Signature": {"a": "b"}}, MALFORMED),
        ("headers", {}, (401, "MISSING_SIGNATURE_INPUT")),
        ("body", 5, MALFORMED),
        ("body", "not base64!", MALFORMED),
        ("body", "AAA", MALFORMED),
        ("body", "AA==\n", MALFORMED),
        ("body", "ä", MALFORMED),
        ("body", {"a": 1}, MALFORMED),
        ("body", True, MALFORMED),
        ("content_digest_verified", 1, MALFORMED),
        ("content_digest_verified", "true", MALFORMED),
        ("content_digest_verified", None, MALFORMED),
    ],
)
async def test_question_with_a_wrong_member(
    services: Services, member: str, value: Any, verdict: tuple[int, str]
) -> None:
    """Every member of a question is checked, and what is wrong is said; the signature in it is not touched."""
    agent = await services.agent()
    question: dict[str, Any] = {"method": "GET", "url": TOOL, "headers": agent.sign()}
    assert (await services.ask({**question, member: value})).verdict == verdict
    assert (await services.ask(question)).status == 200


@pytest.mark.parametrize("member", ["method", "url", "headers"])
async def test_question_without_a_member(services: Services, member: str) -> None:
    """A question must have its three members."""
    question = {"method": "GET", "url": TOOL, "headers": {}}
    del question[member]
    answer = await services.ask(question)
    assert answer.status == 400
    assert answer.error["reason"] in {"MISSING_HTTP_METHOD", "MISSING_URI", "MALFORMED_REQUEST"}
    assert "outcome" not in answer.error


# No JSON object, or not one that everybody reads alike.
BODIES: list[tuple[str, bytes]] = [
    ("no JSON", b"nonsense"),
    ("JSON cut short", b'{"public_jwk":'),
    ("something behind it", b"{}{}"),
    ("a list", b"[]"),
    ("a string", b'"x"'),
    ("null", b"null"),
    ("NaN", b'{"x":NaN}'),
    ("Infinity", b'{"x":-Infinity}'),
    ("no UTF-8", b'{"x":"\xff"}'),
    ("UTF-16", '{"x":1}'.encode("utf-16")),
    ("a byte order mark", b"\xef\xbb\xbf{}"),
    ("half a surrogate pair", b'{"x":"\\ud800"}'),
    ("a control character", b'{"x":"\n"}'),
    ("nested too deep", b'{"x":' + b"[" * 7000 + b"]" * 7000 + b"}"),
    ("a number of many digits", b'{"x":' + b"9" * 5000 + b"}"),
    ("a comment", b"{} // x"),
]


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in BODIES])
async def test_body_that_is_no_json_object(services: Services, body: bytes) -> None:
    """What is no JSON object, or an ambiguous one, is refused wherever one is taken, and stores nothing."""
    agent = await services.agent()
    assert (await services.ask(body)).verdict == MALFORMED
    for path in ("/register", "/tool/register", "/rotate"):
        signed = agent.sign("POST", BASE + path)
        assert (await services.call("POST", path, signed, body)).verdict == MALFORMED
    assert await services.directory(agent) == [agent.key.public.kid]


@pytest.mark.parametrize("path", ["/register", "/tool/register", "/rotate"])
@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"", (400, "MISSING_PUBLIC_JWK")),
        (b"{}", (400, "MISSING_PUBLIC_JWK")),
        (b'{"public_jwk":null}', (400, "MISSING_PUBLIC_JWK")),
        (b'{"Public_JWK":{}}', (400, "MISSING_PUBLIC_JWK")),
        (b'{"public_jwk":{}}', (422, "INVALID_JWK")),
        (b'{"public_jwk":[]}', (422, "INVALID_JWK")),
        (b'{"public_jwk":"x"}', (422, "INVALID_JWK")),
        (b'{"public_jwk":5}', (422, "INVALID_JWK")),
        (b'{"public_jwk":false}', (422, "INVALID_JWK")),
        (b'{"public_jwk":{"keys":[]}}', (422, "INVALID_JWK")),
    ],
    ids=repr,
)
async def test_body_without_a_usable_key(
    services: Services, path: str, body: bytes, verdict: tuple[int, str]
) -> None:
    """A missing key and an unusable one are told apart."""
    agent = await services.agent()
    answer = await services.call("POST", path, agent.sign("POST", BASE + path), body)
    assert answer.verdict == verdict
    assert "outcome" not in answer.error


async def test_oversized_bodies(services: Services) -> None:
    """Bodies end at 16 KiB (registrar) and 64 KiB (verifier), whole or in chunks; up to there they are read."""
    agent = await services.agent()

    def padded(size: int) -> bytes:
        body = jwk_body(generate().public.jwk)
        return body[:-1] + b" " * (size - len(body)) + b"}"

    chunked = {"Transfer-Encoding": "chunked"}
    for size, status in ((16 * 1024, 200), (16 * 1024 + 1, 413)):
        for headers in ({}, chunked):
            body = padded(size)
            if headers:
                body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
            key_owner = await services.agent()
            signed = {**key_owner.sign("POST", f"{BASE}/rotate"), **headers}
            answer = await services.call("POST", "/rotate", signed, body)
            assert answer.status == status
            assert status == 200 or answer.error["reason"] == "BODY_TOO_LARGE"
    for path in ("/register", "/tool/register", "/whoami"):
        answer = await services.call("POST", path, agent.sign("POST", BASE + path), padded(16 * 1024 + 1))
        assert answer.verdict == (413, "BODY_TOO_LARGE")

    question = json.dumps({"method": "GET", "url": TOOL, "headers": agent.sign()}).encode()
    for size, status in ((64 * 1024, 200), (64 * 1024 + 1, 413)):
        answer = await services.ask(question[:-1] + b" " * (size - len(question)) + b"}")
        assert answer.status == status


async def test_compressed_body(services: Services) -> None:
    """A compressed body, of which a few bytes can stand for very many, is refused unread."""
    agent = await services.agent()
    body = gzip.compress(jwk_body(generate().public.jwk))
    signed = {**agent.sign("POST", f"{BASE}/rotate"), "Content-Encoding": "gzip"}
    assert (await services.call("POST", "/rotate", signed, body)).verdict == MALFORMED
    port = services.verifier.port
    answer = await send(port, "POST", "/verify", {"Content-Encoding": "gzip"}, gzip.compress(b"{}"), "v")
    assert answer.verdict == MALFORMED


async def test_oversized_headers(services: Services) -> None:
    """Above 8 KiB a signature header is malformed, above 16 KiB any header is; neither is repeated in the answer."""
    agent = await services.agent()
    for padding, verdict in ((9_000, (401, "MALFORMED_SIGNATURE")), (17_000, MALFORMED)):
        signed = agent.sign("GET", f"{BASE}/whoami")
        signed["Signature-Input"] += f', pad=();x="{"y" * padding}"'
        answer = await services.call("GET", "/whoami", signed)
        assert answer.verdict == verdict
        assert b"yyyy" not in answer.body
    headers = {**agent.sign("GET", f"{BASE}/whoami"), "X-Large": "z" * 17_000}
    answer = await services.call("GET", "/whoami", headers)
    assert answer.verdict == MALFORMED
    assert b"zzzz" not in answer.body


async def test_host_given_twice_or_not_at_all(services: Services) -> None:
    """The host must be said once and plainly."""
    agent = await services.agent()
    lines = "".join(f"{name}: {value}\r\n" for name, value in agent.sign("GET", f"{BASE}/whoami").items())
    for hosts in (
        "",
        f"Host: {HOST}\r\nHost: {HOST}\r\n",
        f"Host: {HOST}\r\nHost: tool.example\r\n",
        "Host:\r\n",
    ):
        for version in ("1.1", "1.0"):
            raw = f"GET /whoami HTTP/{version}\r\n{hosts}{lines}Connection: close\r\n\r\n"
            assert (await send_bytes(services.registrar.port, raw.encode())).verdict == MALFORMED


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET /whoami\r\n\r\n",
        b"GET /whoami HTTP/1.1\r\nHost: agents.example\r\nX : y\r\n\r\n",
        b"GET /whoami HTTP/1.1\r\nHost: agents.example\r\n folded: y\r\n\r\n",
        b"POST /whoami HTTP/1.1\r\nHost: agents.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /whoami HTTP/1.1\r\nHost: agents.example\r\nContent-Length: +5\r\n\r\nhello",
        b"POST /whoami HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /whoami HTTP/1.1\r\nHost: agents.example\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_http_that_two_parsers_read_differently(services: Services, raw: bytes) -> None:
    """What cannot be framed beyond doubt is refused in our own JSON, whichever service reads it."""
    for service in (services.registrar, services.verifier):
        answer = await send_bytes(service.port, raw)
        assert answer.verdict == MALFORMED
        assert answer.headers["Content-Type"].startswith("application/json")
        assert "Server" not in answer.headers


async def test_signature_headers_split_over_lines(services: Services) -> None:
    """Lines of one field are joined as RFC 9421 says, at both services; a label in two of them is ambiguous."""
    agent = await services.agent()
    signed = agent.sign("GET", f"{BASE}/whoami")
    foreign = {"Signature-Input": 'x=();tag="other"', "Signature": "x=:AAAA:"}
    lines = [*foreign.items(), *signed.items()]
    assert (await services.call("GET", "/whoami", lines)).json["uid"] == agent.uid
    signed = agent.sign("GET", f"{BASE}/whoami")
    doubled = [*signed.items(), ("Signature-Input", signed["Signature-Input"])]
    assert (await services.call("GET", "/whoami", doubled)).verdict == (401, "MALFORMED_SIGNATURE")


async def test_content_type_that_lies(services: Services) -> None:
    """Bodies are read as JSON whatever their type says; a form that a browser could send registers nothing."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"):
        agent = await services.agent()
        signed = {**agent.sign("POST", f"{BASE}/rotate"), "Content-Type": content_type}
        new = generate()
        answer = await services.call("POST", "/rotate", signed, jwk_body(new.public.jwk))
        assert answer.json["kid"] == new.public.kid
        form = b"public_jwk=%7B%7D"
        signed = {**Agent(new, agent.uid).sign("POST", f"{BASE}/rotate"), "Content-Type": content_type}
        assert (await services.call("POST", "/rotate", signed, form)).verdict == MALFORMED
