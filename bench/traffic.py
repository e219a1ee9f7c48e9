"""The requests of a load, as bytes: each signed beforehand, for one use."""

import time
from itertools import count

import orjson

from vestry_signatures import PrivateKey, Request, sign

_numbers = count()


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


def verify_requests(authority: str, key: PrivateKey, agent_url: str, number: int) -> list[bytes]:
    """Questions of a tool that received a signed GET."""
    url = "https://tool.example/things?page=2"
    return [
        post(
            authority,
            "/verify",
            orjson.dumps({"method": "GET", "url": url, "headers": signed(key, "GET", url, agent_url)}),
            {"Content-Type": "application/json"},
        )
        for _ in range(number)
    ]


def whoami_requests(authority: str, key: PrivateKey, agent_url: str, number: int) -> list[bytes]:
    """An agent asking who it is, by POST with an empty body."""
    url = f"http://{authority}/whoami"
    return [post(authority, "/whoami", b"", signed(key, "POST", url, agent_url)) for _ in range(number)]


def hello_requests(authority: str, like: list[bytes]) -> list[bytes]:
    """Posts of the same size as others, for a handler that only reads and answers JSON."""
    body = like[0].partition(b"\r\n\r\n")[2]
    return [post(authority, "/hello", body, {"Content-Type": "application/json"})] * len(like)
