"""The registrar's side of the store without Redis: an honest stand-in over `vestry_service.replay_memory`."""

from collections.abc import Callable, Sequence

from vestry_registrar.marked_server import MARK_KEYS, PULSE, MarkedServer, ServerFacts
from vestry_service.live_records import LiveRecord, Mark, record_key
from vestry_service.replay import read_mark, read_record
from vestry_service.replay_memory import MemoryServer
from vestry_signatures.errors import ReplayStoreUnavailable


class MemoryLiveStore:
    """`LiveStore`, and its one `MarkedServer`, on a `MemoryServer`."""

    node = ""

    def __init__(self, server: MemoryServer, key_record_ttl: int, clock: Callable[[], float]) -> None:
        """Take the server, shared with whoever verifies, a record's life (seconds) and a clock (Unix seconds)."""
        self._server = server
        self._ttl = key_record_ttl
        self._clock = clock

    async def write(self, records: Sequence[LiveRecord], *, read_at: float | None = None) -> set[str]:
        self._server.reach()
        ends = int(self._clock() if read_at is None else read_at) + self._ttl
        for record in records:
            self._write(record, ends)
        return {self._server.run_id}

    async def servers(self) -> Sequence[MarkedServer]:
        return [self]

    def holds(self, kid: str) -> bool:
        return True

    async def server(self) -> ServerFacts:
        self._server.reach()
        its = self._server
        return ServerFacts(
            run_id=its.run_id,
            role=its.role,
            aof_enabled=its.aof_enabled,
            maxmemory_policy=its.maxmemory_policy,
            promoted=its.promoted,
            standalone=its.standalone,
            pulse=self._pulse(),
            now=its.now(),
        )

    async def marks(self) -> Mark | None:
        self._server.reach()
        values = {self._server.get(key) for key in MARK_KEYS}
        value = values.pop()
        return None if values else read_mark(value)

    async def set_marks(self, mark: Mark, *, strays: bool = False) -> None:
        self._server.reach()
        for key in MARK_KEYS:
            self._server.put(key, mark.encode())

    async def beat(self, pulse: int, run_id: str) -> None:
        self._server.reach()
        if self._server.run_id != run_id:
            raise ReplayStoreUnavailable
        self._server.put(PULSE, b"%d" % max(pulse, self._pulse()))

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    def _write(self, record: LiveRecord, ends: float) -> None:
        key = record_key(record.kid)
        held = read_record(record.kid, self._server.get(key))
        if held is None or held.version <= record.version:
            self._server.put(key, record.encode(), ends)

    def _pulse(self) -> int:
        return int(self._server.get(PULSE) or 0)
