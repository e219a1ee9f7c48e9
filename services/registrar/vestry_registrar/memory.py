"""The memory mark: since when the store of the nonces remembers every one of them (wire contract, section 7).

A signature may pass only where its nonce, had it been spent before, would be found. Nonces live in Redis
alone, so what Redis may have forgotten nobody may judge. `g` says on which server, and since when, nothing
was forgotten. Once a second one registrar, and an advisory lock says which, looks whether that is still so;
what it then does is decided in `memory_steps.py`.

**The order.** A new beginning takes three transactions, `begun`, `shut`, `open`. Each leaves a row from which
the next registrar goes on, wherever a `kill -9` falls; to the same beginning or a later one, never an
earlier.

1. Where nonces may be gone: shut the store, by marks that begin in the far future. First of all, since some
   of the old marks may still be there and let signatures pass while we are busy, or dead.
2. Write the decision into Postgres: `begun`. Before anything opens the store, so that nobody can believe the
   old beginning after the new one was in force. The pulse that was known stays only where the store is
   whole: it and the marks are the proof, until (3) and (4) replace it. Elsewhere it is 0, none yet.
3. Shut the store, whether (1) did or not: from now on its marks are ours, and which they are tells how far
   it went. Not before (2), or a store that is whole could no longer be told by its marks.
4. Raise the pulse in Redis, and only then in Postgres: `shut`. Before the store opens, so that a loss at any
   moment after that will be seen: a flushed store has no pulse.
5. Rewrite all live records that may be old. A store that came back from an older file may hold an active
   record of a key that was revoked since. What changed longer ago than twice a record's life has no such
   record any more; all else is written again. Before the store opens, or a revoked key could pass.
6. Open the store: set the marks.
7. Write into Postgres: `open`. A kill before this repeats (5) and (6), which changes nothing, if the marks
   are those of (3) or of (6); if they are not, some were lost, and all begins anew.

The pulse is raised on the very server that was looked at, told by its run id, or not at all: on one restarted
since it would hide what that restart lost.

A Cluster has a memory a node, and each goes its own way: one that is away holds up no other. Only that nothing was
ever let through, so that all begins at 0, is said of all of them together; and what is known of a node that holds
nothing any more is forgotten, so that it is another server when it comes back.

A registrar that hangs between two steps loses the lock after some seconds, and may, when it wakes, still set
the marks it had in mind. The next look sees marks that are not the known ones, takes them for a loss and
begins anew.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from vestry_registrar.live_store import LiveStore
from vestry_registrar.marked_server import MarkedServer, ServerFacts
from vestry_registrar.memory_steps import (
    Adopt,
    Beat,
    Begin,
    Distrust,
    Open,
    Refuse,
    Shut,
    Step,
    Wait,
    decide,
    shut,
)
from vestry_registrar.repository import memory_marks
from vestry_registrar.repository.edge import transaction
from vestry_registrar.repository.memory_marks import KnownStore
from vestry_service.live_records import Mark
from vestry_service.logging import Logger
from vestry_service.postgres import Connection, Pool
from vestry_signatures.errors import ReplayStoreUnavailable

STEPS: Final = 3
"""How many steps a new beginning takes."""

Refresh = Callable[[Connection, Callable[[str], bool]], Awaitable[None]]
"""Rewrites every live record that may be old, of the kids that something holds."""


class Memory:
    """Looks after the memory mark of one store."""

    def __init__(
        self,
        pool: Pool,
        live: LiveStore,
        refresh: Refresh,
        clock_skew: int,
        clock: Callable[[], float],
        logger: Logger,
    ) -> None:
        """Take `clock_skew` and `clock` in seconds, and what else it stands on."""
        self._pool = pool
        self._live = live
        self._refresh = refresh
        self._clock_skew = clock_skew
        self._clock = clock
        self._logger = logger

    async def look(self) -> None:
        """Look after the mark once; where a memory begins anew, carry that out too.

        Raises DatabaseUnavailable; ReplayStoreUnavailable: what was not finished goes on at the next look.
        """
        servers = await self._live.servers()
        nodes = [server.node for server in servers]
        troubles: list[ReplayStoreUnavailable] = []
        for _ in range(STEPS):
            servers = [server for server in servers if await self._goes_on(server, nodes, troubles)]
        if troubles:
            raise troubles[0]

    async def _goes_on(
        self, server: MarkedServer, nodes: list[str], troubles: list[ReplayStoreUnavailable]
    ) -> bool:
        """Take one step; say whether there is another one. Of several servers one in trouble holds up no other."""
        try:
            known = await self._step(server, nodes)
        except ReplayStoreUnavailable as error:
            troubles.append(error)
            return False
        return known is not None and known.phase != "open"

    async def _step(self, server: MarkedServer, nodes: list[str]) -> KnownStore | None:
        """Decide and take one step; return what is known after it, None if there is nothing for us to do."""
        async with transaction(self._pool) as connection:
            if not await memory_marks.try_lock(connection):
                return None
            first = await memory_marks.none_was_open(connection)
            await memory_marks.forget_others(connection, nodes)
            known = await memory_marks.find(connection, server.node)
            facts, found = await server.server(), await server.marks()
            step = decide(facts, found, known, self._clock(), self._clock_skew, first)
            after = await self._take(step, server, facts, known, connection)
            if after is not None:
                await memory_marks.put(connection, after, server.node)
            return after

    async def _take(
        self,
        step: Step,
        server: MarkedServer,
        facts: ServerFacts,
        known: KnownStore | None,
        connection: Connection,
    ) -> KnownStore | None:
        """Do in Redis what a step needs; return what Postgres shall know after it."""
        match step, known:
            case Begin(), _:
                return await self._begin(step, server, facts, known)
            case Shut(), KnownStore():
                await server.set_marks(shut(facts))  # (3)
                return await self._beat(server, facts, replace(known, phase="shut"))  # (4)
            case Wait(), KnownStore():
                return known
            case Open(), KnownStore():
                await self._refresh(connection, server.holds)  # (5)
                await server.set_marks(Mark(known.since, known.run_id, self._clock_skew))  # (6)
                return replace(known, phase="open")  # (7)
            case Adopt(since), KnownStore():
                self._logger.warning(
                    "memory_begins", since=since, cause="slots were moved", tags=facts.strays
                )
                await self._refresh(connection, server.holds)
                await server.set_marks(Mark(since, known.run_id, self._clock_skew), strays=True)
                return known
            case Beat(), KnownStore():
                return await self._beat(server, facts, known)
            case Distrust(), KnownStore():
                return self._distrust(known)
            case Refuse(why, also_shut), _:
                if also_shut:
                    await server.set_marks(shut(facts))
                raise ReplayStoreUnavailable(why)
        raise AssertionError("a step that goes on from nothing known")

    async def _begin(
        self, step: Begin, server: MarkedServer, facts: ServerFacts, known: KnownStore | None
    ) -> KnownStore:
        self._logger.warning("memory_begins", since=step.since, cause=step.why)
        if not step.whole:
            await server.set_marks(shut(facts))  # (1)
        pulse = known.pulse if known and step.whole else 0
        return KnownStore(facts.run_id, facts.promoted, step.since, pulse, "begun")  # (2)

    async def _beat(self, server: MarkedServer, facts: ServerFacts, known: KnownStore) -> KnownStore:
        if facts.clustered:
            return known  # its marks tell a loss by themselves: see `marked_node`
        pulse = facts.pulse + 1
        await server.beat(pulse, facts.run_id)
        return replace(known, pulse=pulse)

    def _distrust(self, known: KnownStore) -> KnownStore:
        self._logger.warning("memory_not_trusted", cause="the server is no primary")
        return replace(known, run_id="", phase="open")
