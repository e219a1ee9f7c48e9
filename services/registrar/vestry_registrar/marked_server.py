"""A server that remembers nonces, and says since when: its memory mark and its pulse.

(wire contract, section 7; `memory.py` has the use that is made of it.)

A late memory mark names the run id it was meant for, so it says nothing about another server; a late pulse
never lowers the one that is there. Neither outlives the server's process, and a restart is what they tell.
"""

from typing import NamedTuple, Protocol

from vestry_service.live_records import TAGS, Mark, mark_key
from vestry_service.replay import read_mark
from vestry_service.store.greeting import Facts, name_of, parse_info, server_mode, was_replica
from vestry_service.store.link import Link
from vestry_service.store.script import Script

PULSE = b"vestry:pulse"
FAR_FUTURE = 2**53 - 1
"""Unix seconds: nothing is signed after this. A mark that begins then lets nothing pass: the server is shut."""

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
        clustered: it is a node of a Cluster, and its marks may begin at different times.
        strays: how many tags came here from another node of a Cluster, with its marks or with none that count.
    """

    run_id: str
    role: str
    aof_enabled: bool
    maxmemory_policy: str
    promoted: bool
    standalone: bool
    pulse: int
    now: float = 0.0
    clustered: bool = False
    strays: int = 0


class MarkedServer(Protocol):
    """One server that remembers nonces. Every method raises `ReplayStoreUnavailable` within 250 ms: outcome unknown.

    Attributes:
        node: the id of a Cluster's node; empty where there is one server.
    """

    node: str

    def holds(self, kid: str) -> bool:
        """Say whether nonces of this kid are spent here."""
        ...

    async def server(self) -> ServerFacts:
        """Ask the server who it is and how it keeps its memory."""
        ...

    async def marks(self) -> Mark | None:
        """Return the memory mark if all its places agree, else None. Cheap enough for once a second."""
        ...

    async def set_marks(self, mark: Mark, *, strays: bool = False) -> None:
        """Write the memory mark into all its places, or only where those are that came from elsewhere."""
        ...

    async def beat(self, pulse: int, run_id: str) -> None:
        """Raise the pulse of the server with this run id; a higher one that is there stays."""
        ...


class OneServer:
    """`MarkedServer` where one server holds everything: all 4096 marks are looked at, and written, in one step."""

    node = ""

    def __init__(self, link: Link) -> None:
        self._link = link

    def holds(self, kid: str) -> bool:
        return True

    async def server(self) -> ServerFacts:
        info, pulse = await self._link.ask(("INFO",), ("GET", PULSE))
        return read_facts(parse_info(info), int(pulse or 0))

    async def marks(self) -> Mark | None:
        return read_mark(await self._link.run(READ_MARKS, MARK_KEYS, ()))

    async def set_marks(self, mark: Mark, *, strays: bool = False) -> None:
        await self._link.run(WRITE_MARKS, MARK_KEYS, [mark.encode()])

    async def beat(self, pulse: int, run_id: str) -> None:
        await self._link.run(RAISE_PULSE, [PULSE], [pulse], run_id)


def read_facts(facts: Facts, pulse: int) -> ServerFacts:
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
        clustered=server_mode(facts) == "cluster",
    )
