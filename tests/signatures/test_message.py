"""What a request may look like: one reading of the URL, and header values that cannot pose as several lines."""

import time

import pytest

from vestry_signatures.errors import (
    InvalidUri,
    MalformedRequest,
    MalformedSignature,
    MissingHttpMethod,
    MissingUri,
)
from vestry_signatures.message import MAX_WORK, Request, clean, normalise_authority, parse_target


@pytest.mark.parametrize(
    ("url", "authority", "path", "query"),
    [
        ("https://example.com", "example.com", "/", None),
        ("https://example.com/", "example.com", "/", None),
        ("https://example.com?", "example.com", "/", ""),
        ("https://example.com?a", "example.com", "/", "a"),
        ("https://example.com/a?b?c/d", "example.com", "/a", "b?c/d"),
        ("HTTPS://EXAMPLE.Com/A", "example.com", "/A", None),
        ("https://example.com:443/", "example.com", "/", None),
        ("https://example.com:0443/", "example.com", "/", None),
        ("https://example.com:/", "example.com", "/", None),
        ("https://example.com:80/", "example.com:80", "/", None),
        ("http://example.com:80/", "example.com", "/", None),
        ("http://example.com:443/", "example.com:443", "/", None),
        ("http://localhost:3000/whoami", "localhost:3000", "/whoami", None),
        ("http://[::1]:3000/", "[::1]:3000", "/", None),
        ("http://[2001:DB8::1]/", "[2001:db8::1]", "/", None),
        ("http://127.0.0.1:8080/", "127.0.0.1:8080", "/", None),
        ("https://example.com/a/../b/./c//d", "example.com", "/a/../b/./c//d", None),
        ("https://example.com/%7Ea%2f", "example.com", "/%7Ea%2f", None),
        ('https://example.com/{a}"|^?`\\', "example.com", '/{a}"|^', "`\\"),
        ("https://a_b.example.com./", "a_b.example.com.", "/", None),
    ],
)
def test_a_url_has_one_reading(url: str, authority: str, path: str, query: str | None) -> None:
    """Scheme and host are reduced to one spelling; path and query stay as they were sent."""
    target = parse_target(url)
    assert (target.authority, target.path, target.query) == (authority, path, query)
    suffix = "" if query is None else f"?{query}"
    assert target.uri == f"{url.partition(':')[0].lower()}://{authority}{path}{suffix}"
    assert parse_target(target.uri) == target


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "//example.com/",
        "/path",
        "*",
        "ftp://example.com/",
        "httpss://example.com/",
        "https:///path",
        "https://example.com://other.example/",
        "https://example.https://example.com/",
        "https://",
        "https:example.com",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://@example.com/",
        "https://example.com/#fragment",
        "https://example.com#",
        "https://example.com/?q#f",
        "https://example.com\\@evil.example/",
        "https://example.com\\evil",
        "https://example.com/a\\b",
        "https://example.com/\\..\\b?q",
        "https:\\\\example.com/",
        "https://exa mple.com/",
        "https://example.com/a b",
        "https://example.com/?a b",
        " https://example.com/",
        "https://example.com/ ",
        "https://example.com/\n",
        "https://example.com/a\r\nX: y",
        "https://example.com/\t",
        "https://example.com/\0",
        "https://exam\nple.com/",
        "https://example.com/\x7f",
        "https://example.com/é",
        "https://example.com/?é",
        "https://éxample.com/",
        "https://example.com:65536/",
        "https://example.com:0/",
        "https://example.com:123456/",
        "https://example.com:-1/",
        "https://example.com:٨٠/",
        "https://example.com:80:80/",
        "https://[::1/",
        "https://::1/",
        "https://[]/",
        "https://[::1]x/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.x]/",
        "https://%65xample.com/",
        "https://exa<mple.com/",
        'https://exa"mple.com/',
        "https://exa%00mple.com/",
        "https://\ud800.example/",
    ],
)
def test_a_url_with_two_readings_is_refused(url: str) -> None:
    """Userinfo, fragments, backslashes, white space, control characters and anything but ASCII are refused."""
    with pytest.raises(InvalidUri):
        parse_target(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://\u212aelvin.example/",  # the Kelvin sign lowercases to k
        "http\u017f://example.com/",  # a long s folds to s
        "http\u017f://example.com:443/",
        "https://example.com/\u017f",
        "https://example.com/?\u212a",
        "https://\u0130stanbul.example/",
    ],
)
def test_no_character_outside_ascii_folds_into_the_url(url: str) -> None:
    """A character whose other case is an ASCII letter does not become that letter: no second name for a host."""
    with pytest.raises(InvalidUri):
        parse_target(url)


@pytest.mark.parametrize(
    "authority", ["", "a b", "a/b", "user@a", "a:b", "\u212a", "a\n", "a:99999", "[::1]:"]
)
def test_an_authority_that_is_none_is_refused(authority: str) -> None:
    """`normalise_authority` takes host[:port] and nothing else; a lone colon means the default port."""
    if authority == "[::1]:":
        assert normalise_authority(authority, "http") == "[::1]"
    else:
        with pytest.raises(InvalidUri):
            normalise_authority(authority, "http")


def test_a_long_url_is_read_like_a_short_one() -> None:
    """Length changes nothing about the reading."""
    assert parse_target("https://example.com/" + "a" * 5000).path == "/" + "a" * 5000


@pytest.mark.parametrize("method", ["GET", "POST", "get", "M-SEARCH", "!#$%&'*+-.^_`|~09"])
def test_a_method_is_kept_as_sent(method: str) -> None:
    """Methods are case-sensitive tokens (RFC 9110 section 9.1)."""
    assert Request.of(method, "https://example.com/", []).method == method


@pytest.mark.parametrize(
    "method", ["GET ", "GE T", "GET\n", "GET\r\nX:", "É", "GET/", "@method", '"GET"', "\0"]
)
def test_a_method_that_is_no_token_is_refused(method: str) -> None:
    """Nothing that could end a line, or that HTTP cannot carry, gets into `@method`."""
    with pytest.raises(MalformedRequest):
        Request.of(method, "https://example.com/", [])


def test_what_is_missing_is_named() -> None:
    """No method and no url are two reasons of their own."""
    with pytest.raises(MissingHttpMethod):
        Request.of("", "https://example.com/", [])
    with pytest.raises(MissingUri):
        Request.of("GET", "", [])


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "é", "@authority", '"a"', "a\0", "\u212a"])
def test_a_header_name_that_is_none_is_refused(name: str) -> None:
    """A header's name is a token (RFC 9110 section 5.1)."""
    with pytest.raises(MalformedRequest):
        Request.of("GET", "https://example.com/", [(name, "value")])


def test_lines_of_one_field_are_joined_in_order() -> None:
    """Names differ in case only in writing; lines are trimmed and joined with a comma and a space."""
    request = Request.of(
        "GET", "https://example.com/", [("X-A", " 1\t"), ("x-b", "other"), ("x-a", "2 , 3"), ("X-a", "")]
    )
    assert request.field("x-a") == "1, 2 , 3, "
    assert request.field("x-a") == "1, 2 , 3, "
    assert request.field("x-b") == "other"
    assert request.field("x-c") is None
    assert Request("GET", "https://example.com/", {"x": []}).field("x") is None


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("", ""),
        (" \t ", ""),
        ("a", "a"),
        ("a \t b", "a \t b"),
        ("Obsolete\n    line folding.", "Obsolete line folding."),
        ("a \t\r\n \tb", "a b"),
        ("a\r\n b\n\tc", "a b c"),
        ("\n a", "a"),
        ("a\n \n b", "a  b"),
    ],
)
def test_folded_lines_become_one(line: str, value: str) -> None:
    """Obsolete folding is one space (RFC 9421 section 2.1), outer white space is none."""
    assert clean(line) == value


@pytest.mark.parametrize(
    "line",
    [
        "a\nb",
        "a\r\nb",
        "a\rb",
        "a\r b",
        "a\n",
        "\na",
        "a\n b\nc",
        "a\0b",
        "\0",
        "a\n \0b",
        'x\n"@authority": evil',
    ],
)
def test_a_line_break_smuggles_no_second_line(line: str) -> None:
    """A value with a line break or NUL that is no folding is refused: it could forge lines of a signature base."""
    with pytest.raises(MalformedRequest):
        clean(line)
    with pytest.raises(MalformedRequest):
        Request.of("GET", "https://example.com/", [("x", "a"), ("x", line)]).field("x")


def test_white_space_before_no_fold_costs_nothing() -> None:
    """Unfolding takes time in proportion to the value: a long run of spaces must not stop the world."""
    line = "x\n y" + " " * 100_000 + "z"
    begin = time.perf_counter()
    assert clean(line) == "x y" + " " * 100_000 + "z"
    assert time.perf_counter() - begin < 1


def test_read_otherwise() -> None:
    """One thing is different, the rest is as it was; the request itself does not change, and work adds up."""
    request = Request("GET", "https://tool.example/a?b", {"x": ["1"], "y": ["2"]})
    assert (request.field("x"), request.field("y")) == ("1", "2")
    assert request.once(("x", "sf"), lambda: "made of x", work=MAX_WORK - 1) == "made of x"
    other = request.read_otherwise(lines=("x", ["3", "4"]))
    assert (other.field("x"), other.field("y"), other.method, other.target) == (
        "3, 4",
        "2",
        "GET",
        request.target,
    )
    with pytest.raises(MalformedSignature):
        other.once(("x", "sf"), lambda: "made anew", work=2)
    moved = request.read_otherwise(method="get", target=request.target._replace(path=""))
    assert (moved.method, moved.target.uri) == ("get", "https://tool.example?b")
    assert moved.once(("x", "sf"), lambda: "made again", work=2) == "made of x"
    assert (request.method, request.target.path, request.field("x")) == ("GET", "/a", "1")
