"""REDIS_URL, read: which servers there are, and how to log in to them.

    redis://[user:password@]host[:port][/db]                          one server
    unix://[user:password@]/path/of/the/socket[?db=0]                 one server on this machine
    redis+sentinel://[user:password@]h1[:p],h2[:p],…/MASTER[/db]      whatever these Sentinels call the primary
    redis+cluster://[user:password@]h1[:p],h2[:p],…                   a Cluster; some of its nodes

`rediss` in the place of `redis` means TLS, for Sentinels and Cluster nodes alike. User and password are those of the
servers; Sentinels have their own, `sentinel_user` and `sentinel_password`. Whatever needs it is percent-encoded.
"""

import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

FORMS: Final = "redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// (with rediss: TLS)"
PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_TOPOLOGIES: Final[dict[str, tuple["Topology", bool]]] = {
    "redis": ("one", False),
    "rediss": ("one", True),
    "unix": ("one", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_ALWAYS: Final = frozenset({"db", "client_name"})
_TLS: Final = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname", "ssl_ciphers"}
)
_SENTINEL: Final = frozenset({"sentinel_user", "sentinel_password"})

Topology = Literal["one", "sentinel", "cluster"]


class Address(NamedTuple):
    """Where a server listens; `port` 0: `host` is the path of a Unix socket."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else self.host


@dataclass(frozen=True)
class Login:
    """What is said first on a connection."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    client_name: str = ""


@dataclass(frozen=True)
class Tls:
    """How a server proves who it is, and we to it."""

    arguments: tuple[tuple[str, str], ...]

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The context of all connections. Raises OSError: a file cannot be read or is no certificate or key."""
        given = dict(self.arguments)
        context = ssl.create_default_context(
            cafile=given.get("ssl_ca_certs"), capath=given.get("ssl_ca_path")
        )
        context.check_hostname = given.get("ssl_check_hostname", "true").lower() not in (
            "0",
            "false",
            "no",
            "off",
        )
        if "ssl_certfile" in given:
            context.load_cert_chain(given["ssl_certfile"], given.get("ssl_keyfile"))
        if "ssl_ciphers" in given:
            context.set_ciphers(given["ssl_ciphers"])
        return context


@dataclass(frozen=True)
class StoreUrl:
    """A REDIS_URL.

    Attributes:
        topology: `one` server, the primary that `sentinel`s name, or a `cluster`.
        addresses: of the server, the Sentinels, or some nodes of the Cluster.
        master: the name that Sentinels know the primary by.
        login, sentinel_login: for servers, and for Sentinels.
        tls: None where connections are plain.
    """

    topology: Topology
    addresses: tuple[Address, ...]
    login: Login
    master: str = ""
    sentinel_login: Login = Login()
    tls: Tls | None = None


def parse(text: str) -> StoreUrl:
    """Read a REDIS_URL. Raises ValueError with a sentence that says what is accepted."""
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError(f"must be a URL like {FORMS}") from None
    if parts.scheme not in _TOPOLOGIES:
        raise ValueError(f"must be a URL like {FORMS}")
    topology, tls = _TOPOLOGIES[parts.scheme]
    arguments = _arguments(parts, topology, tls)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = (unquote(word) for word in credentials.partition(":"))
    master, db = _path(parts, topology, arguments)
    return StoreUrl(
        topology=topology,
        addresses=_addresses(parts, hosts, topology),
        login=Login(user or None, password or None, db, arguments.get("client_name", "")),
        master=master,
        sentinel_login=Login(arguments.get("sentinel_user"), arguments.get("sentinel_password")),
        tls=Tls(tuple((name, value) for name, value in arguments.items() if name in _TLS)) if tls else None,
    )


def _arguments(parts: SplitResult, topology: Topology, tls: bool) -> dict[str, str]:
    accepted = _ALWAYS | (_TLS if tls else set()) | (_SENTINEL if topology == "sentinel" else set())
    arguments = dict(parse_qsl(parts.query, keep_blank_values=True))
    if set(arguments) - accepted:
        raise ValueError(
            f"a {parts.scheme}:// URL takes no other arguments than {', '.join(sorted(accepted))}"
        )
    return arguments


def _path(parts: SplitResult, topology: Topology, arguments: dict[str, str]) -> tuple[str, int]:
    """Return the name of the primary and the number of the database."""
    words = [] if parts.scheme == "unix" else [unquote(word) for word in parts.path.split("/") if word]
    master = ""
    if topology == "sentinel":
        if not words:
            raise ValueError(
                f"must be a URL that ends with the name of the primary: {parts.scheme}://host:port,…/NAME"
            )
        master = words.pop(0)
    db = arguments.get("db") or (words.pop(0) if words else "0")
    if words or not (db.isascii() and db.isdigit() and len(db) < 6):
        raise ValueError("the database in the URL must be a number")
    if topology == "cluster" and int(db):
        raise ValueError("a Cluster URL has database 0 alone")
    return master, int(db)


def _addresses(parts: SplitResult, hosts: str, topology: Topology) -> tuple[Address, ...]:
    if parts.scheme == "unix":
        if hosts or not parts.path.startswith("/"):
            raise ValueError("must be unix:///path/of/the/socket as a URL")
        return (Address(unquote(parts.path), 0),)
    found = tuple(
        _address(host, SENTINEL_PORT if topology == "sentinel" else PORT) for host in hosts.split(",")
    )
    if topology == "one" and len(found) > 1:
        raise ValueError("several hosts make a redis+sentinel:// or redis+cluster:// URL")
    return tuple(dict.fromkeys(found))


def _address(text: str, port: int) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port or port
    except ValueError:
        host = ""
    if not host:
        raise ValueError(f"must be a URL that names a host[:port] in a URL like {FORMS}")
    return Address(host, port)
