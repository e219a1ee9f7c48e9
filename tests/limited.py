"""Registrars with limits, and clients that come from any address: a trusted proxy on loopback vouches for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import http_sf
from redis import Redis

import signer
from bare_client import Answer
from services import BASE, Agent, Service, Services, jwk_body
from vestry_signatures import PrivateKey, generate

LIMITED = (429, "RATE_LIMITED")
_addresses = count(1)


def an_address() -> str:
    """An address that nobody else in this run comes from."""
    number = next(_addresses)
    return f"198.51.{number // 256}.{number % 256}"


class Limited:
    """One registrar with limits beside those of a test run, and what is said to it."""

    def __init__(self, services: Services, registrar: Service) -> None:
        self.services = services
        self.registrar = registrar

    async def send(
        self, address: str | None, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> Answer:
        """Send a request by way of a proxy that saw it come from `address`; directly where there is none."""
        came = {} if address is None else {"X-Forwarded-For": address}
        return await self.services.call(method, path, {**headers, **came}, body, registrar=self.registrar)

    async def register(
        self,
        address: str | None,
        key: PrivateKey | None = None,
        path: str = "/register",
        **changes: signer.Parameter,
    ) -> Answer:
        key = key or generate()
        headers = signer.sign(key, "POST", BASE + path, **{"tag": "null", **changes})
        return await self.send(address, "POST", path, headers, jwk_body(key.public.jwk))

    async def whoami(self, address: str | None, agent: Agent, **changes: signer.Parameter) -> Answer:
        return await self.send(address, "GET", "/whoami", agent.sign("GET", f"{BASE}/whoami", **changes))

    async def rotate(self, address: str | None, agent: Agent, new: PrivateKey) -> Answer:
        signed = agent.sign("POST", f"{BASE}/rotate")
        return await self.send(address, "POST", "/rotate", signed, jwk_body(new.public.jwk))

    def refused(self, limit: str) -> float:
        """How often a limit has refused."""
        return self.registrar.count("vestry_rate_limited_total", limit=limit)

    def forget(self, subject: str) -> None:
        """Empty all buckets of somebody."""
        with Redis.from_url(self.services.redis_url) as client:
            for key in client.scan_iter(f"l{{{subject}}}*", count=10_000):
                client.delete(key)


@contextmanager
def limited(services: Services, *, trusted: str = "127.0.0.1", **environ: str) -> Iterator[Limited]:
    """Run one more registrar with these limits and no others."""
    with services.another_registrar(TRUSTED_PROXIES=trusted, **environ) as registrar:
        yield Limited(services, registrar)


def shown(answer: Answer) -> dict[str, dict[str, int]]:
    """What the two RateLimit fields say of each limit: `r`, `t`, `q`, `w`."""
    found: dict[str, dict[str, int]] = {}
    for name in ("RateLimit", "RateLimit-Policy"):
        value = answer.headers.get(name)
        if value is not None:
            for limit, parameters in http_sf.parse(value.encode(), tltype="list"):
                found.setdefault(limit, {}).update(parameters)
    return found
