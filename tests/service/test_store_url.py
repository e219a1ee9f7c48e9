"""REDIS_URL, read: every way to run Redis, and nothing that would change a promise."""

import pytest

from vestry_service.store.url import Address, Login, parse


def test_one_server() -> None:
    """As redis-py and redis-cli read it."""
    url = parse("redis://user:p%40w@[::1]:7000/3?client_name=us")
    assert (url.topology, url.addresses) == ("one", (Address("::1", 7000),))
    assert url.login == Login("user", "p@w", 3, "us")
    assert url.tls is None
    assert parse("redis://h").addresses == (Address("h", 6379),)
    assert parse("redis://:pw@h?db=2").login == Login(None, "pw", 2)


def test_a_unix_socket() -> None:
    """The path is the address, and the database an argument."""
    url = parse("unix://u:pw@/run/my%20redis.sock?db=1")
    assert url.addresses == (Address("/run/my redis.sock", 0),)
    assert url.login == Login("u", "pw", 1)


def test_sentinels() -> None:
    """All of them, the primary's name, and the passwords of both kinds of servers."""
    url = parse("redis+sentinel://u:pw@h1:26380,h2,[::1]:5/vestry/2?sentinel_user=s&sentinel_password=t")
    assert url.addresses == (Address("h1", 26380), Address("h2", 26379), Address("::1", 5))
    assert (url.topology, url.master) == ("sentinel", "vestry")
    assert url.login == Login("u", "pw", 2)
    assert url.sentinel_login == Login("s", "t")


def test_a_cluster() -> None:
    """Some of its nodes."""
    url = parse("redis+cluster://u:pw@h1:7000,h2:7001,h1:7000")
    assert (url.topology, url.addresses) == ("cluster", (Address("h1", 7000), Address("h2", 7001)))


@pytest.mark.parametrize("scheme", ["rediss", "rediss+sentinel", "rediss+cluster"])
def test_tls(scheme: str) -> None:
    """By the scheme, with the files as arguments, however the servers are run."""
    url = parse(
        f"{scheme}://h/{'m' if 'sentinel' in scheme else ''}?ssl_ca_certs=/ca.pem&ssl_check_hostname=false"
    )
    assert url.tls is not None
    assert dict(url.tls.arguments) == {"ssl_ca_certs": "/ca.pem", "ssl_check_hostname": "false"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "redis://",
        "redis://h:70000",
        "redis://h/x",
        "redis://h,g",
        "redis://h?ssl_ca_certs=/ca.pem",
        "redis://h?socket_timeout=9",
        "redis+sentinel://h",
        "redis+cluster://h/1",
        "redis+cluster://h?sentinel_password=x",
        "redis+sentinel://h,,g/m",
        "unix://socket",
        "http://h",
    ],
)
def test_what_is_refused(text: str) -> None:
    """A wrong URL says so at the start, not at the first request."""
    with pytest.raises(ValueError, match="URL"):
        parse(text)


def test_a_password_is_not_shown() -> None:
    """Not even where somebody logs the whole thing."""
    assert "hunter2" not in repr(parse("redis+sentinel://:hunter2@h/m?sentinel_password=hunter2"))
