"""What each kind of proxy says of a request, byte by byte, and no word of a client taken for the proxy's."""

from collections.abc import Sequence

import pytest

from vestry_service.verification import Question
from vestry_signatures.errors import InvalidUri, MalformedRequest, VestryError
from vestry_verifier.forwarded import KINDS, Call, tool_token

Lines = Sequence[tuple[str, str]]
SIGNATURE: Lines = [("Signature", "a=:AA==:"), ("signature", "b=:BB==:")]
# Nothing in them may be decoded, resolved, merged or completed.
TARGETS = [
    "/",
    "//a//b",
    "/a%2Fb",
    "/a/../b/./c",
    "/%C3%A9?%c3%a9",
    "/p?",
    "/p?a=b?c&&d=",
    "/%7e%41",
    "/a;b=1",
]


def nginx(target: str = "/x", method: str = "GET", scheme: str = "https", host: str = "tool.example") -> Call:
    lines = [("X-Original-Method", method), ("X-Original-URL", f"{scheme}://{host}{target}")]
    return Call("GET", "/verify/auth-request", [("Host", "127.0.0.1:4000"), *lines, *SIGNATURE])


def traefik(
    target: str = "/x", method: str = "GET", scheme: str = "https", host: str = "tool.example"
) -> Call:
    lines = [("X-Forwarded-Method", method), ("X-Forwarded-Proto", scheme), ("X-Forwarded-Uri", target)]
    held = [("Host", "127.0.0.1:4000"), ("X-Forwarded-Host", host), *lines, *SIGNATURE]
    return Call("GET", "/verify/forward-auth", held)


def envoy(target: str = "/x", method: str = "GET", scheme: str = "https", host: str = "tool.example") -> Call:
    return Call(method, f"/verify/ext-authz/{scheme}{target}", [("Host", host), *SIGNATURE])


CALLS = {"auth-request": nginx, "forward-auth": traefik, "ext-authz": envoy}
each_kind = pytest.mark.parametrize("kind", CALLS)


def read(kind: str, call: Call) -> Question:
    return KINDS[kind](call)


def with_lines(call: Call, *more: tuple[str, str]) -> Call:
    return call._replace(lines=[*call.lines, *more])


def without(call: Call, name: str) -> Call:
    return call._replace(lines=[line for line in call.lines if line[0].lower() != name])


@each_kind
@pytest.mark.parametrize("target", TARGETS)
def test_path_and_query_as_they_were_sent(kind: str, target: str) -> None:
    """What a client signed is what is rebuilt, to the byte."""
    request = read(kind, CALLS[kind](target, "POST")).request
    assert request.method == "POST"
    assert request.target.uri == f"https://tool.example{target}"
    path, mark, query = target.partition("?")
    assert (request.target.path, request.target.query) == (path, query if mark else None)


@each_kind
def test_scheme_and_authority(kind: str) -> None:
    """A port that is not the scheme's own is a part of the authority; Host is what the client sent."""
    request = read(kind, CALLS[kind](scheme="http", host="Tool.example:8080")).request
    assert (request.target.scheme, request.target.authority) == ("http", "tool.example:8080")
    assert request.field("host") == "Tool.example:8080"
    assert read(kind, CALLS[kind](host="tool.example:443")).request.target.authority == "tool.example"


@each_kind
def test_lines_of_one_header_stay_in_order(kind: str) -> None:
    """Lines are joined as RFC 9421 says, whatever the case of their names."""
    question = read(kind, CALLS[kind]())
    assert question.request.field("signature") == "a=:AA==:, b=:BB==:"


@each_kind
def test_the_body_is_not_known(kind: str) -> None:
    """So nobody can say that a covered digest was compared."""
    question = read(kind, CALLS[kind]())
    assert (question.body, question.digest_asserted) == (None, False)


SAID = [
    ("auth-request", "x-original-method"),
    ("auth-request", "x-original-url"),
    ("forward-auth", "x-forwarded-method"),
    ("forward-auth", "x-forwarded-proto"),
    ("forward-auth", "x-forwarded-host"),
    ("forward-auth", "x-forwarded-uri"),
    ("ext-authz", "host"),
]


@pytest.mark.parametrize(("kind", "name"), SAID)
def test_a_fact_that_is_said_twice_or_not_at_all(kind: str, name: str) -> None:
    """Of two lines one is the client's, and nobody knows which; both being equal makes no difference."""
    call = CALLS[kind]()
    [value] = [value for known, value in call.lines if known.lower() == name]
    for wrong in (
        with_lines(call, (name, value)),
        with_lines(call, (name.upper(), "/evil")),
        with_lines(without(call, name), (name, "")),
        without(call, name),
    ):
        with pytest.raises(MalformedRequest, match=name):
            read(kind, wrong)


def test_the_words_of_another_kind_say_nothing() -> None:
    """A client may send what its proxy does not: nginx passes X-Forwarded-Uri on, and Traefik X-Original-URL."""
    spoofed = [(name, "https://evil.example/y") for kind, name in SAID if kind != "auth-request"][:-1]
    assert read("auth-request", with_lines(nginx(), *spoofed)).request.target.uri == "https://tool.example/x"
    spoofed = [("X-Original-URL", "https://evil.example/y"), ("X-Original-Method", "PUT")]
    request = read("forward-auth", with_lines(traefik(), *spoofed)).request
    assert (request.method, request.target.uri) == ("GET", "https://tool.example/x")
    spoofed = [("X-Forwarded-Uri", "/y"), ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "http")]
    assert read("ext-authz", with_lines(envoy(), *spoofed)).request.target.uri == "https://tool.example/x"


@each_kind
@pytest.mark.parametrize(
    "name", ["X-Agent-Uid", "x-agent-reason", "X-Forwarded-For", "Connection", "Upgrade"]
)
def test_headers_that_are_not_the_clients_to_sign(kind: str, name: str) -> None:
    """Headers of the proxy, or that never reach the tool, are not there to be covered."""
    assert read(kind, with_lines(CALLS[kind](), (name, "x"))).request.field(name.lower()) is None


@each_kind
@pytest.mark.parametrize("name", ["Authorization", "Content-Digest", "X_Agent_Uid", "Cookie", "Content-Type"])
def test_every_other_header_can_be_covered(kind: str, name: str) -> None:
    """`Authorization` too: it is the client's, and no token of the tool."""
    call = with_lines(CALLS[kind](), (name, "x"))
    assert read(kind, call).request.field(name.lower()) == "x"
    assert tool_token(call) is None


@pytest.mark.parametrize("kind", ["forward-auth", "ext-authz"])
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"target": "http://evil.example/x"}, MalformedRequest),
        ({"target": ".evil.example/x"}, MalformedRequest),
        ({"target": "*"}, MalformedRequest),
        ({"target": "tool.example:443", "method": "CONNECT"}, MalformedRequest),
        ({"method": "CONNECT"}, MalformedRequest),
        ({"scheme": "ftp"}, MalformedRequest),
        ({"scheme": "HTTPS"}, MalformedRequest),
        ({"host": "evil.example/x"}, MalformedRequest),
        ({"host": "evil.example?"}, MalformedRequest),
        ({"host": "user@tool.example"}, MalformedRequest),
        ({"host": "tool.example, evil.example"}, MalformedRequest),
        ({"host": "tool.example,evil.example:x"}, InvalidUri),
        ({"target": "/é"}, InvalidUri),
        ({"target": "/a#b"}, InvalidUri),
        ({"target": "/a b"}, InvalidUri),
        ({"target": "/a\\b"}, InvalidUri),
        ({"method": "GET /"}, MalformedRequest),
    ],
)
def test_what_cannot_be_put_together_beyond_doubt(
    kind: str, changes: dict[str, str], error: type[VestryError]
) -> None:
    """Parts that would run into each other, or that have two readings, make no URL."""
    with pytest.raises(error):
        read(kind, CALLS[kind](**changes))


@pytest.mark.parametrize(
    "url", ["/x", "tool.example/x", "ftp://tool.example/x", "https:///x", "https://", "//tool.example/x", "*"]
)
def test_an_original_url_that_is_not_whole(url: str) -> None:
    """Nginx must say scheme, host and path; less is its configuration's fault, and refused."""
    call = with_lines(without(nginx(), "x-original-url"), ("X-Original-URL", url))
    with pytest.raises(MalformedRequest, match="X-Original-URL"):
        read("auth-request", call)


@pytest.mark.parametrize("prefix", ["/verify/ext-authz", "/verify/ext-authz/", "/verify/ext-authz/https:"])
def test_a_prefix_that_names_no_scheme(prefix: str) -> None:
    """Envoy's path_prefix must end in a scheme."""
    with pytest.raises(MalformedRequest, match="http or https"):
        read("ext-authz", envoy()._replace(target=f"{prefix}/x"))


def test_the_method_of_the_question_to_nginx_is_not_the_clients() -> None:
    """Nginx always asks with GET."""
    assert read("auth-request", nginx(method="DELETE")).request.method == "DELETE"


def test_the_tools_token() -> None:
    """It comes in a header of its own, once; an empty one is none."""
    assert tool_token(nginx()) is None
    assert tool_token(with_lines(nginx(), ("x-vestry-tool-token", ""))) is None
    assert tool_token(with_lines(nginx(), ("X-Vestry-Tool-Token", "t0ken"))) == "t0ken"
    with pytest.raises(MalformedRequest, match="x-vestry-tool-token"):
        tool_token(with_lines(nginx(), ("X-Vestry-Tool-Token", "a"), ("x-vestry-tool-token", "b")))
