"""A Cluster: each call goes to the node that holds its slot (redis+cluster://).

1. Once in half a second the primaries are asked who holds which slot; what a majority of them was asked about
   counts (`watch`), and of two claims the one with the greater epoch (`slots`).
2. The questions of one turn of the loop go to each node in one trip, a call a slot: a node refuses a script over
   several slots. A node that is slow, or away, holds up nobody else's.
3. `MOVED` says that the node did nothing, since the slot is elsewhere. Those who decide are asked anew, and where
   they agree the call goes there, within its own deadline.
4. `ASK` says that the node did nothing, since the slot is being moved and none of the keys is here any more. The call
   goes to the node that takes it over, for this once. What it says is judged like every answer: by its name, which
   no mark carries yet, so nothing passes that way; but a replay is told to be one.
5. Everything else, `TRYAGAIN` above all (some of the keys are here and some there), is 503: the caller signs anew.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from hiredis import ReplyError

from vestry_service.store.batches import Batcher
from vestry_service.store.calls import Call, Part
from vestry_service.store.greeting import Refused
from vestry_service.store.link import Link
from vestry_service.store.nodes import ClusterWatch, NodeFinder
from vestry_service.store.script import TIMEOUT, Script
from vestry_service.store.slots import slot_of
from vestry_service.store.url import Address, StoreUrl
from vestry_service.store.wire import Word
from vestry_signatures.errors import ReplayStoreUnavailable

MOST_DETOURS = 3


class ClusterBatcher:
    """Carries batches of calls of one script to the nodes that hold their slots."""

    def __init__(self, url: StoreUrl, script: Script, trips: int, replicas: int = 0) -> None:
        """Take what `Batcher` takes; `trips` and `replicas` count for each node."""
        self._watch = ClusterWatch(url)
        self._script = script
        self._trips = trips
        self._replicas = replicas
        self._batchers: dict[str, Batcher] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._closed = False

    def submit(self, keys: Sequence[bytes], args: Sequence[Word]) -> asyncio.Future[Part]:
        """Put keys and arguments into the batches of this turn; the future raises ReplayStoreUnavailable."""
        future: asyncio.Future[Part] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(ReplayStoreUnavailable())
            return future
        pieces = _pieces(keys, args, self._script)
        if len(pieces) == 1:
            [(slot, call)] = pieces.items()
            call.callers.append((future, 0, len(call.keys)))
            self._send(slot, call)
        else:
            self._errand(self._gather(future, keys, pieces))
        return future

    def doubt(self, name: str) -> None:
        """Ask the node anew who it is that we call so."""
        for batcher in self._batchers.values():
            batcher.doubt(name)

    async def aclose(self) -> None:
        """Take nothing more, let what is under way arrive or time out, then hang up."""
        self._closed = True
        while self._errands:
            await asyncio.wait(self._errands)
        for batcher in self._batchers.values():
            await batcher.aclose()
        await self._watch.aclose()

    def _send(self, slot: int, call: Call) -> None:
        if self._watch.is_fresh:
            self._send_to(self._watch.slots.owner(slot), slot, call)
        else:
            self._errand(self._send_when_known(slot, call))

    def _send_to(self, node: str | None, slot: int, call: Call, deadline: float | None = None) -> None:
        if node is None:
            call.fail(Refused("no node of the Cluster is known to hold this slot"))
        elif deadline is None:
            self._batcher(node).join(slot, call)
        else:
            self._batcher(node).take_over(slot, call, deadline)

    async def _send_when_known(self, slot: int, call: Call) -> None:
        deadline = asyncio.get_running_loop().time() + TIMEOUT
        if await self._has_asked(call, deadline):
            self._send_to(self._watch.slots.owner(slot), slot, call, deadline)

    async def _gather(
        self, future: asyncio.Future[Part], keys: Sequence[bytes], pieces: dict[int, Call]
    ) -> None:
        """Send what one caller asks of several slots, and put the answers into his order."""
        parts = []
        for slot, call in pieces.items():
            part: asyncio.Future[Part] = asyncio.get_running_loop().create_future()
            call.callers.append((part, 0, len(call.keys)))
            parts.append(part)
            self._send(slot, call)
        outcomes = await asyncio.gather(*parts, return_exceptions=True)
        if future.done():
            return
        answered: dict[int, Part] = {}
        for slot, outcome in zip(pieces, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
                return
            answered[slot] = outcome
        future.set_result(_in_order(keys, answered, self._script.keys))

    def _batcher(self, node: str) -> Batcher:
        batcher = self._batchers.get(node)
        if batcher is None:
            link = Link(NodeFinder(self._watch, node))
            batcher = self._batchers[node] = Batcher(
                link, self._script, self._trips, replicas=self._replicas, object_to=self._object
            )
        return batcher

    def _object(self, slot: int, call: Call, error: ReplyError, deadline: float) -> None:
        kind, _, rest = str(error).partition(" ")
        call.detours += 1
        if kind in ("MOVED", "ASK") and call.detours <= MOST_DETOURS:
            self._errand(self._detour(slot, call, _target(rest), kind == "ASK", deadline))
        else:
            call.fail(error)

    async def _detour(self, slot: int, call: Call, target: Address, asking: bool, deadline: float) -> None:
        if not await self._has_asked(call, deadline):
            return
        slots = self._watch.slots
        call.asking = asking
        self._send_to(slots.node_at(target) if asking else slots.owner(slot), slot, call, deadline)

    async def _has_asked(self, call: Call, deadline: float) -> bool:
        """Ask anew who holds what; where that cannot be told, the call has failed."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._watch.refresh()
        except BaseException as error:
            # Also for a fault of our own and for the end of the loop: nobody waits for ever.
            call.fail(error)
            if not isinstance(error, OSError):
                raise
            return False
        return True

    def _errand(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def _pieces(keys: Sequence[bytes], args: Sequence[Word], script: Script) -> dict[int, Call]:
    """Sort items by the slot of their first key; all keys of an item have the same."""
    pieces: dict[int, Call] = {}
    for item in range(len(keys) // script.keys):
        its_keys = keys[item * script.keys : (item + 1) * script.keys]
        call = pieces.setdefault(slot_of(its_keys[0]), Call())
        call.keys += its_keys
        call.args += args[item * script.args : (item + 1) * script.args]
    return pieces


def _in_order(keys: Sequence[bytes], parts: dict[int, Part], keys_each: int) -> Part:
    values: list[Any] = []
    servers: list[str] = []
    taken = dict.fromkeys(parts, 0)
    for first in range(0, len(keys), keys_each):
        slot = slot_of(keys[first])
        part, item = parts[slot], taken[slot]
        values += part.values[item * keys_each : (item + 1) * keys_each]
        servers.append(part.servers[item])
        taken[slot] += 1
    return Part(values, servers)


def _target(rest: str) -> Address:
    """Read `SLOT host:port` of a MOVED or ASK."""
    host, _, port = rest.partition(" ")[2].rpartition(":")
    return Address(host.strip("[]"), int(port))
