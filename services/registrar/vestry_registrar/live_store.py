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

A late memory mark names the run id it was meant for, so it says nothing about another server; a late pulse
never lowers the one that is there. Neither outlives the server's process, and a restart is what they tell.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from vestry_service.live_records import TAGS, LiveRecord, Mark, mark_key, record_key
from vestry_service.replay import read_mark
from vestry_service.store.greeting import name_of, parse_info, server_mode, was_replica
from vestry_service.store.open import open_batcher, open_link
from vestry_service.store.script import Script

__all__ = ["LiveStore", "Mark", "RedisLiveStore", "ServerFacts"]

PULSE = b"vestry:pulse"

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

# One value for all, or nothing. Lua keeps equal strings once, so comparing them costs a pointer each.
READ_MARKS = Script("""
local marks = redis.call('MGET', unpack(KEYS))
for i = 2, #KEYS do
  if marks[i] ~= marks[1] then return false end
end
return marks[1]
""")

WRITE_MARKS = Script("""
for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1]) end
return 1
""")

RAISE_PULSE = Script("""
if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[1]) or -1) then redis.call('SET', KEYS[1], ARGV[1]) end
return 1
""")

MARK_KEYS = [mark_key(tag) for tag in TAGS]


class ServerFacts(NamedTuple):
    """What a server says of itself, as far as its memory of nonces depends on it.

    Attributes:
        run_id: a new one at each start of the server's process, and at each promotion (`store.greeting.name_of`).
        role: `master` (another role is refused when connecting).
        aof_enabled: it keeps an append-only file.
        maxmemory_policy: `noeviction` is the only one that never forgets a nonce.
        promoted: it was a replica before it became the primary, and may lack what the old one had.
        standalone: it is no member of a Cluster and has no replica that could take its place.
        pulse: the registrar's heartbeat counter as this server holds it; 0 when it holds none.
        now: Unix seconds by its own clock; 0 when it does not say.
    """

    run_id: str
    role: str
    aof_enabled: bool
    maxmemory_policy: str
    promoted: bool
    standalone: bool
    pulse: int
    now: float = 0.0


class LiveStore(Protocol):
    """The writing side of the store. Every method raises `ReplayStoreUnavailable` within 250 ms: outcome unknown."""

    async def write(self, records: Sequence[LiveRecord], *, read_at: float | None = None) -> None:
        """Write all records of an agent in one step; each gives way to a newer version that is there.

        `read_at` is when they were read from Postgres (Unix seconds); without it, now. Never a later time than
        that: see the module's second rule of lateness.
        """
        ...

    async def server(self) -> ServerFacts:
        """Ask the server who it is and how it keeps its memory."""
        ...

    async def marks(self) -> Mark | None:
        """Return the memory mark if all 4096 are there and equal, else None. Cheap enough for once a second."""
        ...

    async def set_marks(self, mark: Mark) -> None:
        """Write all 4096 memory marks in one step."""
        ...

    async def beat(self, pulse: int, run_id: str) -> None:
        """Raise the pulse of the server with this run id; a higher one that is there stays."""
        ...

    async def aclose(self) -> None:
        """Let what is under way finish, then hang up."""
        ...


class RedisLiveStore:
    """`LiveStore` on a standalone server: one lasting connection for records, one for everything else."""

    def __init__(self, url: str, key_record_ttl: int, clock: Callable[[], float]) -> None:
        """Take a `redis://`, `rediss://` or `unix://` URL, a record's life (seconds) and a clock (Unix seconds).

        Raises ValueError for another kind of URL. Connects when first used.
        """
        self._ttl = key_record_ttl
        self._clock = clock
        self._records = open_batcher(url, WRITE, trips=1)
        self._link = open_link(url)
        self._turn = asyncio.Lock()

    async def write(self, records: Sequence[LiveRecord], *, read_at: float | None = None) -> None:
        if not records:
            return
        ends = int(self._clock() if read_at is None else read_at) + self._ttl
        keys = [record_key(record.kid) for record in records]
        args = [word for record in records for word in (record.encode(), ends)]
        await self._records.submit(keys, args)

    async def server(self) -> ServerFacts:
        async with self._turn:
            info, pulse = await self._link.ask(("INFO",), ("GET", PULSE))
        return _facts(parse_info(info), int(pulse or 0))

    async def marks(self) -> Mark | None:
        value = await self._run(READ_MARKS, MARK_KEYS, ())
        return read_mark(value)

    async def set_marks(self, mark: Mark) -> None:
        await self._run(WRITE_MARKS, MARK_KEYS, [mark.encode()])

    async def beat(self, pulse: int, run_id: str) -> None:
        await self._run(RAISE_PULSE, [PULSE], [pulse], run_id)

    async def aclose(self) -> None:
        await self._records.aclose()
        async with self._turn:
            await self._link.aclose()

    async def _run(
        self, script: Script, keys: Sequence[bytes], args: Sequence[bytes | int], only_on: str | None = None
    ) -> Any:
        async with self._turn:
            return await self._link.run(script, keys, args, only_on=only_on)


def _facts(facts: dict[str, str], pulse: int) -> ServerFacts:
    """Read what matters out of INFO; what a server does not say is taken for the answer that trusts it less."""
    return ServerFacts(
        run_id=name_of(facts),
        role=facts.get("role", ""),
        aof_enabled=facts.get("aof_enabled") == "1",
        maxmemory_policy=facts.get("maxmemory_policy", ""),
        promoted=was_replica(facts),
        standalone=server_mode(facts) == "standalone" and facts.get("connected_slaves") == "0",
        pulse=pulse,
        now=int(facts.get("server_time_usec", 0)) / 1e6,
    )
