"""The base URL: one spelling, and an older name that containers set to something else."""

import socket

import pytest

from vestry_service.base_url import find_base_url
from vestry_service.settings import Environment


def found(**environ: str) -> tuple[str, list[str], list[str]]:
    env = Environment(environ)
    return str(find_base_url(env)), env.problems, env.warnings


@pytest.mark.parametrize(
    ("url", "spelling"),
    [
        ("https://Agents.Example.COM", "https://agents.example.com"),
        ("https://agents.example.com:443/", "https://agents.example.com"),
        ("https://agents.example.com:8443", "https://agents.example.com:8443"),
        ("http://localhost:80", "http://localhost"),
        ("HTTP://LOCALHOST:3000", "http://localhost:3000"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[0:0::1]:3000", "http://[::1]:3000"),
        ("http://base.localhost:3000", "http://base.localhost:3000"),
    ],
)
def test_every_spelling_is_reduced_to_one(url: str, spelling: str) -> None:
    """Lowercase, without the scheme's default port and without a path."""
    assert found(PUBLIC_URL=url) == (spelling, [], [])


@pytest.mark.parametrize(
    "url",
    [
        "https://agents.example.com/path",
        "https://agents.example.com?x",
        "https://agents.example.com/#f",
        "https://user@agents.example.com",
        "https://user:hunter2@agents.example.com",
        "https://agents.example.com.",
        "https://agents..example.com",
        "https://",
        "https://a b",
        "https://a:99999",
        "https://a:0",
        "ftp://agents.example.com",
        "agents.example.com",
        "https://[::1",
        "https://-a.example",
    ],
)
def test_anything_but_a_scheme_a_host_and_a_port_is_refused(url: str) -> None:
    """No path, query, user or trailing dot; and a password in it is not shown."""
    _, problems, _ = found(PUBLIC_URL=url)
    assert len(problems) == 1
    assert "PUBLIC_URL" in problems[0]
    assert "hunter2" not in problems[0]


def test_default_is_localhost_at_the_port() -> None:
    """Nothing set: where `make run` answers."""
    assert found()[0] == "http://localhost:3000"
    assert found(PORT="3100")[0] == "http://localhost:3100"


@pytest.mark.parametrize("host", ["agents.example.com", "10.0.0.7", "localhost.example"])
def test_plain_http_is_refused_beyond_this_machine(host: str) -> None:
    """Signatures over plain http could be read by everybody on the way; only the operator can wave that through."""
    assert "plain http" in found(PUBLIC_URL=f"http://{host}")[1][0]
    assert found(PUBLIC_URL=f"http://{host}", ALLOW_PLAIN_HTTP="1")[1] == []


@pytest.mark.parametrize("host", ["localhost", "localhost:3000", "127.1.2.3", "[::1]", "x.localhost"])
def test_plain_http_is_fine_on_this_machine(host: str) -> None:
    """Loopback leaves no wire to listen on."""
    assert found(PUBLIC_URL=f"http://{host}")[1] == []


@pytest.mark.parametrize(
    ("older", "base"),
    [
        ("https://agents.example.com", "https://agents.example.com"),
        ("agents.example.com", "https://agents.example.com"),
        ("localhost:3000", "http://localhost:3000"),
        ("localhost", "http://localhost"),
        ("http://localhost:3000", "http://localhost:3000"),
    ],
)
def test_hostname_is_the_older_name(older: str, base: str) -> None:
    """Vestauth's HOSTNAME works as it did: a URL, a dotted name (https) or localhost (http)."""
    assert found(HOSTNAME=older) == (base, [], [])


def test_public_url_wins_over_hostname() -> None:
    """The older name is not even looked at."""
    assert found(PUBLIC_URL="https://a.example", HOSTNAME="container") == ("https://a.example", [], [])


def test_a_machine_name_in_hostname_is_ignored_with_a_warning() -> None:
    """Containers and shells set HOSTNAME to the machine's name: it is no base URL."""
    base, problems, warnings = found(HOSTNAME="3f2a9c1b77d0")
    assert (base, problems) == ("http://localhost:3000", [])
    assert len(warnings) == 1
    assert "HOSTNAME" in warnings[0]


def test_the_dotted_name_of_this_very_machine_is_ignored_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may be named with dots; its own name in HOSTNAME still is no choice of a base URL."""
    monkeypatch.setattr(socket, "gethostname", lambda: "node7.cluster.example")
    base, _, warnings = found(HOSTNAME="Node7.cluster.example")
    assert base == "http://localhost:3000"
    assert len(warnings) == 1


def test_hostname_is_held_to_the_same_rules() -> None:
    """Its problems are told under its own name."""
    assert "HOSTNAME" in found(HOSTNAME="http://agents.example.com")[1][0]
