"""Foreign directories in Redis, so that a fleet of verifiers fetches each of them once.

Two keys for each directory, named by a digest of its URL so that nobody chooses their length. `TT` are the digest's
first two characters; in braces they keep both keys in one slot of a Redis Cluster, and the directories spread:

    d{TT} + digest   the document (`document.py`), as long as it is worth keeping
    f{TT} + digest   the lease of who fetches now: a random token, for 3 seconds

1. Who finds a directory not fresh takes the lease and sees, in the same step, what is known by then: somebody else
   may have fetched it in between.
2. Who does not get the lease waits for the document to change. A holder that dies is waited for until its lease ends.
3. A document is written only over one that was asked for earlier, and the lease is given back if it is still held. So
   an answer that comes late, after its lease, cannot bring back a key that was removed in the meantime. Which was
   asked for earlier is told by the store's clock, which all verifiers share.

The account needs the keys `d*` and `f*` besides what `replay_redis` lists.
"""

import hashlib
from math import ceil
from typing import Final, NamedTuple, Protocol

from vestry_service.store.open import open_batcher
from vestry_service.store.script import Script
from vestry_service.store.wire import Word
from vestry_signatures.keys import encode_base64url
from vestry_verifier.foreign.document import Document

LEASE: Final = 3.0
"""Seconds; a fetch takes two at most."""
TRIPS: Final = 2
"""Trips under way at once to one server."""
READ, CLAIM, WRITE = "read", "claim", "write"

ASK: Final = Script(
    keys=2,
    args=5,
    body="""
local time = redis.call('TIME')
local told = string.format('%d.%06d', time[1], time[2])

local function write(document, lease, token, started, data, life) -- (3)
  local known = redis.call('GET', document)
  if tonumber(known and string.match(known, '^%S+') or 0) <= tonumber(started) then
    redis.call('SET', document, data, 'PX', life)
  end
  if redis.call('GET', lease) == token then
    redis.call('SET', lease, '', 'PX', 1)
  end
end

local values = {}
for i = 1, #KEYS / 2 do
  local document, lease, a = KEYS[2 * i - 1], KEYS[2 * i], 5 * i - 4
  local what, token, held = ARGV[a], ARGV[a + 1], false
  if what == 'claim' then -- (1)
    held = redis.call('SET', lease, token, 'NX', 'PX', ARGV[a + 4]) and told
  elseif what == 'write' then
    write(document, lease, token, ARGV[a + 2], ARGV[a + 3], ARGV[a + 4])
  end
  values[2 * i - 1], values[2 * i] = redis.call('GET', document), held
end
return values
""",
)


class Claimed(NamedTuple):
    """What is known, and the store's own time (Unix seconds) where the lease was had; else None."""

    document: Document
    time: float | None


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


class RedisDocuments:
    """`Documents` in Redis or Valkey, however it is run."""

    def __init__(self, url: str) -> None:
        """Take a REDIS_URL; connect when first asked. Raises ValueError: it is none."""
        self._batcher = open_batcher(url, ASK, TRIPS)

    async def read(self, url: str) -> Document:
        return (await self._ask(url, READ, "", "0", b"", 0)).document

    async def claim(self, url: str, token: str) -> Claimed:
        return await self._ask(url, CLAIM, token, "0", b"", ceil(LEASE * 1000))

    async def write(self, url: str, token: str, document: Document, now: float) -> Document:
        life = ceil(document.life(now) * 1000)
        started = f"{document.started:.6f}"
        return (await self._ask(url, WRITE, token, started, document.encode(), life)).document

    async def aclose(self) -> None:
        """Let what is under way arrive, then hang up."""
        await self._batcher.aclose()

    async def _ask(self, url: str, *args: Word) -> Claimed:
        document, held = (await self._batcher.submit(_keys(url), args)).values
        return Claimed(Document.decode(document), float(held) if held else None)


def _keys(url: str) -> tuple[bytes, bytes]:
    """Name the two keys of a directory."""
    digest = encode_base64url(
        hashlib.blake2b(url.encode(), digest_size=18, person=b"vestry directory").digest()
    )
    name = f"{{{digest[:2]}}}{digest}"
    return f"d{name}".encode(), f"f{name}".encode()
