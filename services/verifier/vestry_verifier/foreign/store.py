"""Foreign directories in Redis, so that a fleet of verifiers fetches each of them once.

Two keys for each directory, named by a digest of its URL so that nobody chooses their length. `TT` are the
digest's first two characters; in braces they keep both keys in one slot of a Redis Cluster, and the directories
spread over it:

    d{TT} + digest   the document (`document.py`), as long as it is worth keeping
    f{TT} + digest   the lease of who fetches now: a random token, for 3 seconds

1. Who finds a directory not fresh takes the lease and sees, in the same step, what is known by then: somebody else
   may have fetched it in between.
2. Who does not get the lease waits for the document to change. A holder that dies is waited for until its lease ends.
3. A document is written only over one that was asked for earlier, and the lease is given back if it is still held. So
   an answer that comes late, after its lease, cannot bring back a key that was removed in the meantime. Which was
   asked for earlier is told by the store's clock, which all verifiers share.

The account needs `GET`, `SET`, `TIME`, `EVAL` and the keys `d*` and `f*`.
"""

import hashlib
from collections.abc import Awaitable
from math import ceil
from typing import Any, Final, NamedTuple, Protocol, cast

from redis.exceptions import RedisError

from vestry_signatures.errors import ReplayStoreUnavailable
from vestry_signatures.keys import encode_base64url
from vestry_verifier.foreign.document import Document

LEASE: Final = 3.0
"""Seconds; a fetch takes two at most."""

CLAIM: Final = """
local held = redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
local time = redis.call('TIME')
return {held and 1 or 0, redis.call('GET', KEYS[1]), time[1], time[2]}
"""
WRITE: Final = """
local known = redis.call('GET', KEYS[1])
local started = known and tonumber(string.match(known, '^%S+')) or 0
if started <= tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('SET', KEYS[2], '', 'PX', 1)
end
return redis.call('GET', KEYS[1])
"""


class Claimed(NamedTuple):
    """Whether the lease was had, what is known by then, and the store's own time (Unix seconds)."""

    held: bool
    document: Document
    time: float


class Documents(Protocol):
    """Where a fleet keeps what it knows. Every method raises ReplayStoreUnavailable where there is no answer."""

    async def read(self, url: str) -> Document:
        """Read what is known."""
        ...

    async def claim(self, url: str, token: str) -> Claimed:
        """Ask for the lease to fetch (1)."""
        ...

    async def write(self, url: str, token: str, document: Document, now: float) -> Document:
        """Write what is known now, give the lease back, and return what is kept (3)."""
        ...


class Client(Protocol):
    """What is asked of redis-py; a client of one server has it and a client of a Cluster too."""

    def get(self, name: bytes) -> Any:
        """GET."""
        ...

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """EVAL."""
        ...


class RedisDocuments:
    """`Documents` in Redis or Valkey, one server or a Cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, url: str) -> Document:
        """Read what is known."""
        return Document.decode(await _answer(self._client.get(_keys(url)[0])))

    async def claim(self, url: str, token: str) -> Claimed:
        """Ask for the lease to fetch (1)."""
        answer = await _answer(self._client.eval(CLAIM, 2, *_keys(url), token, ceil(LEASE * 1000)))
        held, data, seconds, microseconds = answer
        return Claimed(bool(held), Document.decode(data), int(seconds) + int(microseconds) / 1e6)

    async def write(self, url: str, token: str, document: Document, now: float) -> Document:
        """Write what is known now, give the lease back, and return what is kept (3)."""
        life = ceil(document.life(now) * 1000)
        started = f"{document.started:.6f}"
        kept = self._client.eval(WRITE, 2, *_keys(url), token, started, document.encode(), life)
        return Document.decode(await _answer(kept))


async def _answer(asked: Any) -> Any:
    try:
        return await cast(Awaitable[Any], asked)
    except (RedisError, OSError) as error:
        raise ReplayStoreUnavailable from error


def _keys(url: str) -> tuple[bytes, bytes]:
    """Name the two keys of a directory."""
    digest = encode_base64url(
        hashlib.blake2b(url.encode(), digest_size=18, person=b"vestry directory").digest()
    )
    name = f"{{{digest[:2]}}}{digest}"
    return f"d{name}".encode(), f"f{name}".encode()
