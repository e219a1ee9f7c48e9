"""Hosts are compared whole: what only looks like a host that is meant is another one."""

import time

import pytest

from vestry_verifier.host_pattern import read_host_pattern


@pytest.mark.parametrize(
    ("pattern", "authority"),
    [
        ("bots.example", "bots.example"),
        ("BOTS.Example", "bots.example"),
        ("bots.example:443", "bots.example"),
        ("bots.example:8443", "bots.example:8443"),
        ("*.example", "bots.example"),
        ("*.example", "a.b.c.example"),
        ("*.example:8443", "bots.example:8443"),
        ("*", "anything.at.all:1"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("localhost:8080", "localhost:8080"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_meant(pattern: str, authority: str) -> None:
    """In any spelling of the pattern."""
    assert read_host_pattern(pattern).matches(authority)
    assert read_host_pattern(str(read_host_pattern(pattern))) == read_host_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "authority"),
    [
        ("bots.example", "bots.example:8443"),
        ("bots.example:8443", "bots.example"),
        ("bots.example", "bots.example.evil.net"),
        ("bots.example", "robots.example"),
        ("bots.example", "bots.example."),
        ("bots.example", "botsXexample"),
        ("*.example", "example"),
        ("*.example", ".example"),
        ("*.example", "notexample"),
        ("*.example", "bots.example.evil.net"),
        ("*.example", "bots.example:8443"),
        ("*.bots.example", "example"),
        ("[2001:db8::1]", "[2001:db8::1]:8443"),
    ],
)
def test_not_meant(pattern: str, authority: str) -> None:
    """Nothing before it, nothing behind it, no other port."""
    assert not read_host_pattern(pattern).matches(authority)


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "*.", "**", "*.*.example", "a*.example", "bots.example.", ".example", "bots..example", "-a.example",
        "https://bots.example", "bots.example/", "user@bots.example", "bots.example:0", "bots.example:66000",
        "b\u00fccher.example", "bots.example,other.example", " bots.example", "(a+)+$", "*:8443",
        "*.[::1]",
    ],
)  # fmt: skip
def test_no_pattern(text: str) -> None:
    """What could be read in two ways, or never match, is refused when it is written."""
    with pytest.raises(ValueError, match="must be"):
        read_host_pattern(text)


def test_ours_are_named_by_their_uid() -> None:
    """A rule about the host of one of our agents would never be asked, so it is refused."""
    for text in ("agent-0123456789abcdef01234567.agents.example", "agent-0123456789abcdef01234567"):
        with pytest.raises(ValueError, match="uid alone"):
            read_host_pattern(text)


def test_a_long_name_takes_no_time() -> None:
    """No pattern makes a stranger's host name expensive."""
    pattern, name = read_host_pattern("*.a.a.a.a.example"), "a." * 5000 + "example"
    started = time.perf_counter()
    for _ in range(1000):
        pattern.matches(name)
    assert time.perf_counter() - started < 0.5
