"""What the registrar, and it alone, writes into Redis: live records, the memory mark, and a pulse.

(wire contract, section 7; `vestry_service.live_records` has the names and the formats, `vestry_service.replay`
the reader's side.)

**Order.** All records of an agent go in one script call, which per key refuses a version older than the one
that is there, and writes an equal one again, with a fresh life.

**Lateness.** A write that was told to have failed may still be carried out: the server was paused, or the
network held the bytes, and our hanging up does not call them back. Nothing here sends a write twice, but the
next one travels on another connection and may be carried out first. So a write must do no harm however late
it comes:

1. While a newer record is there, the script refuses the older one.
2. When the newer one has expired meanwhile, version numbers no longer help. So a record does not live for
   `KEY_RECORD_TTL` from when Redis gets it, but *until* a time, `read_at + KEY_RECORD_TTL`, that is fixed
   when it is read from Postgres. An older version was read before every newer one, so its end comes before
   theirs: by the time theirs has come, it is a write of something already past, and Redis keeps nothing.
3. When the newer one was flushed or evicted, an older write that is still under way can stand until its
   own end. That takes a flush within the few moments a write can be late, and is the reason why vestry
   demands `noeviction`; the renewed memory mark refuses what was signed before the flush in any case.

For (2) the caller passes as `read_at` when it read (best by the database's clock, which all registrars share)
and never a later time; so a registrar that was itself paused between reading and writing does no harm
either. The server's clock must agree with it within the clock skew: where it is ahead by `KEY_RECORD_TTL`,
every record is past at once, and nothing verifies.

How a server's memory is marked is said in `marked_server`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from vestry_registrar.marked_node import MarkedNode
from vestry_registrar.marked_server import MarkedServer, OneServer
from vestry_service.live_records import LiveRecord, record_key
from vestry_service.store.open import open_batcher, open_primaries
from vestry_service.store.script import Script
from vestry_signatures.errors import ReplayStoreUnavailable

WRITE = Script(
    keys=1,
    args=2,
    body="""
local stored = {}
for i, key in ipairs(KEYS) do
  local line, ends = ARGV[2 * i - 1], ARGV[2 * i]
  local held = redis.call('GET', key)
  local there = held and tonumber(string.match(held, '^(%d+) '))
  if there and there > tonumber(string.match(line, '^(%d+) ')) then
    stored[i] = 0
  else
    redis.call('SET', key, line, 'EXAT', ends)
    stored[i] = 1
  end
end
return stored
""",
)


class LiveStore(Protocol):
    """The writing side of the store. Every method raises `ReplayStoreUnavailable` within 250 ms: outcome unknown."""

    async def write(self, records: Sequence[LiveRecord], *, read_at: float | None = None) -> set[str]:
        """Write all records of an agent; each gives way to a newer version that is there.

        Returns the names of the servers that hold them now (`store.greeting.name_of`).
        `read_at` is when they were read from Postgres (Unix seconds); without it, now. Never a later time than
        that: see the module's second rule of lateness.
        """
        ...

    async def servers(self) -> Sequence[MarkedServer]:
        """Return the servers that remember nonces: the one, or every primary of a Cluster."""
        ...

    async def aclose(self) -> None:
        """Let what is under way finish, then hang up."""
        ...


class RedisLiveStore:
    """`LiveStore` on Redis, however it is run: a lasting connection to each server for records, one for the rest."""

    def __init__(self, url: str, key_record_ttl: int, clock: Callable[[], float], replicas: int = 0) -> None:
        """Connect when first used.

        Args:
            url: a REDIS_URL.
            key_record_ttl: a record's life, seconds.
            clock: Unix seconds.
            replicas: so many must hold a record before it counts as written.

        Raises ValueError for another kind of URL.
        """
        self._ttl = key_record_ttl
        self._clock = clock
        self._records = open_batcher(url, WRITE, trips=1, replicas=replicas)
        self._primaries = open_primaries(url)

    async def write(self, records: Sequence[LiveRecord], *, read_at: float | None = None) -> set[str]:
        if not records:
            return set()
        ends = int(self._clock() if read_at is None else read_at) + self._ttl
        keys = [record_key(record.kid) for record in records]
        args = [word for record in records for word in (record.encode(), ends)]
        return set((await self._records.submit(keys, args)).servers)

    async def servers(self) -> Sequence[MarkedServer]:
        try:
            links = await self._primaries.links()
        except OSError as error:
            raise ReplayStoreUnavailable from error
        if (one := links.get("")) is not None:
            return [OneServer(one)]
        tags = self._primaries.tags()
        return [MarkedNode(node, link, tags[node]) for node, link in links.items() if node in tags]

    async def aclose(self) -> None:
        await self._records.aclose()
        await self._primaries.aclose()
