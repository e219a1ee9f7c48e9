"""The requests of a load, as bytes: each signed beforehand, for one use."""

import time
from collections.abc import Sequence
from itertools import count, cycle, islice
from typing import Final, NamedTuple

import orjson

from vestry_signatures import PrivateKey, Request, generate, sign
from vestry_signatures.agent_url import WELL_KNOWN_PATH

_numbers = count()
_JSON: Final = {"Content-Type": "application/json"}


class Agent(NamedTuple):
    """An agent that a server knows."""

    key: PrivateKey
    url: str


def post(authority: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """Write a POST request."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {authority}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def signed(key: PrivateKey, method: str, url: str, agent_url: str | None) -> dict[str, str]:
    """The headers as released clients make them: `@authority` covered, 300 s of life, a nonce of 86 characters."""
    return sign(
        Request.of(method, url, []),
        key,
        created=int(time.time()),
        agent_url=agent_url,
        components=["@authority"],
        tag="web-bot-auth" if agent_url else "null",
        nonce=f"{next(_numbers):086d}",
    )


def question(agent: Agent) -> dict[str, object]:
    """What a tool asks that received a signed GET."""
    url = "https://tool.example/things?page=2"
    return {"method": "GET", "url": url, "headers": signed(agent.key, "GET", url, agent.url)}


def verify_requests(authority: str, agents: Sequence[Agent], number: int) -> list[bytes]:
    """Questions, one each, about agents by turns."""
    return [
        post(authority, "/verify", orjson.dumps(question(agent)), _JSON)
        for agent in islice(cycle(agents), number)
    ]


def batch_requests(authority: str, agents: Sequence[Agent], number: int, size: int) -> list[bytes]:
    """Batches of so many questions each, about agents by turns."""
    turns = cycle(agents)
    return [
        post(
            authority,
            "/verify/batch",
            orjson.dumps({"requests": [question(agent) for agent in islice(turns, size)]}),
            _JSON,
        )
        for _ in range(number)
    ]


def whoami_requests(authority: str, key: PrivateKey, agent_url: str, number: int) -> list[bytes]:
    """An agent asking who it is, by POST with an empty body."""
    url = f"http://{authority}/whoami"
    return [post(authority, "/whoami", b"", signed(key, "POST", url, agent_url)) for _ in range(number)]


def register_requests(authority: str, number: int) -> list[bytes]:
    """Registrations, each of a new key."""
    url = f"http://{authority}/register"
    requests = []
    for _ in range(number):
        key = generate()
        body = orjson.dumps({"public_jwk": key.public.jwk})
        requests.append(post(authority, "/register", body, {**signed(key, "POST", url, None), **_JSON}))
    return requests


def directory_request(host: str) -> bytes:
    """Somebody reading the keys of an agent, at the host name of its own."""
    return f"GET {WELL_KNOWN_PATH} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def key_question(uid: str, kid: str) -> bytes:
    """A verifier asking the registrar about a key."""
    return f"GET /internal/agents/{uid}/keys/{kid} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def hello_requests(authority: str, like: list[bytes]) -> list[bytes]:
    """Posts of the same size as others, for a handler that only reads and answers JSON."""
    body = like[0].partition(b"\r\n\r\n")[2]
    return [post(authority, "/hello", body, _JSON)] * len(like)
