"""Keys and a migrated database for tests of the registrar's records."""

import asyncio
import base64
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from vestry_registrar.audit.event import Actor, Origin
from vestry_registrar.lifecycle import Signer
from vestry_registrar.migrate import migrate
from vestry_registrar.repository.rotations import ComingKey
from vestry_service.postgres import Pool, open_pool
from vestry_signatures.keys import thumbprint
from vestry_signatures.validity import Validity

SOMEBODY = Origin(Actor("system", "tests"))
"""For the audit trail, where it does not matter who does it."""

NOW = int(time.time())


def _new_x() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


@dataclass(frozen=True)
class Key:
    """A public key as the registrar keeps it; whether it is a point of the curve does not matter here."""

    x: str = field(default_factory=_new_x)

    @property
    def jwk(self) -> dict[str, str]:
        return {"kty": "OKP", "crv": "Ed25519", "x": self.x}

    @property
    def kid(self) -> str:
        return thumbprint(self.jwk)


def by(uid: str, kid: str, now: int = NOW) -> Signer:
    """Somebody who has proven this key of this agent."""
    return Signer(uid, kid, SOMEBODY, now)


def coming(key: Key, begin: int | None = None, end: int | None = None) -> ComingKey:
    """A key that an agent is to get."""
    return ComingKey(key.jwk, key.kid, Validity(begin, end))


@asynccontextmanager
async def migrated(database_url: str) -> AsyncIterator[Pool]:
    """Migrate a database, and yield a pool of connections to it."""
    migrate(database_url)
    async with open_pool(database_url) as pool:
        yield pool


async def until(question: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until something is so; fail when it takes longer than `seconds`."""
    for _ in range(int(seconds / 0.05)):
        if question():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("waited in vain")


class Seen:
    """A gauge that keeps what it was set to, and a logger that keeps what it was told."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.lines: list[tuple[str, dict[str, object]]] = []

    def set(self, value: float) -> None:
        self.values.append(value)

    def _log(self, event: str, **facts: object) -> None:
        self.lines.append((event, facts))

    debug = info = warning = error = _log

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]
