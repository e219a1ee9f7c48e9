"""The store without Redis: an honest stand-in for tests, and for tools that need no server.

`MemoryServer` plays the Redis server: keys with an end, a run id, and the accidents that befall a server.
`MemoryReplayStore` is the verifier's side of it; the registrar's is in `vestry_registrar.live_store_memory`. They
use the names and formats of the real ones, and one contract test runs over both.
"""

from collections.abc import Callable, Sequence
from math import ceil, inf

from vestry_service.live_records import LiveRecord, book_key, mark_key, nonce_key, record_key
from vestry_service.replay import Answer, Claim, judge, nonce_life, read_mark, read_record, remembered_until
from vestry_service.replay_bound import Book
from vestry_signatures.errors import ReplayStoreUnavailable


class MemoryServer:
    """Keys, the times when they end, and a process that can die.

    Attributes:
        run_id: of the process that runs now.
        role, aof_enabled, maxmemory_policy, promoted, standalone: what it says of itself; a test may set them.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take the clock (Unix seconds) by which keys end."""
        self._clock = clock
        self._keys: dict[bytes, tuple[bytes, float]] = {}
        self._starts = 0
        self._away = False
        self.role = "master"
        self.aof_enabled = True
        self.maxmemory_policy = "noeviction"
        self.promoted = False
        self.standalone = True
        self.restart(whole=True)

    def fail(self) -> None:
        """Go out of reach, until `heal`."""
        self._away = True

    def heal(self) -> None:
        """Come back with everything in place."""
        self._away = False

    def forget(self) -> None:
        """Lose every key, as by FLUSHALL."""
        self._keys.clear()

    def restart(self, *, whole: bool) -> None:
        """Start anew under another run id: with every key when `whole`, with none otherwise."""
        self._starts += 1
        self.run_id = f"{self._starts:040x}"
        if not whole:
            self.forget()

    def now(self) -> float:
        """Unix seconds by the server's clock."""
        return self._clock()

    def reach(self) -> None:
        """Raise ReplayStoreUnavailable while the server is out of reach."""
        if self._away:
            raise ReplayStoreUnavailable

    def get(self, key: bytes) -> bytes | None:
        value, end = self._keys.get(key, (None, inf))
        return value if self._clock() < end else None

    def put(self, key: bytes, value: bytes, end: float = inf) -> None:
        """Set a key that lives until `end` (Unix seconds)."""
        self._keys[key] = (value, end)

    def life(self, key: bytes) -> float:
        """Seconds that a key has left."""
        return self._keys[key][1] - self._clock()

    def put_new(self, key: bytes, life: float) -> bool:
        """Set a key for `life` seconds if it is not there; say whether it was new."""
        new = self.get(key) is None
        if new:
            self.put(key, b"1", self._clock() + life)
        return new


class MemoryReplayStore:
    """`ReplayStore` on a `MemoryServer`."""

    def __init__(self, server: MemoryServer, clock_skew: int) -> None:
        """Take the server, shared with whoever writes to it, and the clock skew in seconds."""
        self._server = server
        self._clock_skew = clock_skew

    async def spend(self, claims: Sequence[Claim], now: int) -> list[Answer]:
        self._reach(claims)
        return [self._spend(claim, now) for claim in claims]

    async def recheck(self, claims: Sequence[Claim]) -> list[Answer]:
        self._reach(claims)
        return [self._answer(claim, fresh=True) for claim in claims]

    async def peek(self, claims: Sequence[Claim]) -> list[Answer]:
        self._reach(claims)
        return [self._peek(claim) for claim in claims]

    async def look(self, kid: str) -> LiveRecord | None:
        self._server.reach()
        return read_record(kid, self._server.get(record_key(kid)))

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    def _reach(self, claims: Sequence[Claim]) -> None:
        if not claims:
            raise ValueError("no claim to ask about")
        self._server.reach()

    def _spend(self, claim: Claim, now: int) -> Answer:
        server, key = self._server, nonce_key(claim.kid, claim.digest)
        time, life = server.now(), max(nonce_life(claim, now, self._clock_skew), self._left(claim))
        if claim.bound is None:
            return self._answer(claim, server.put_new(key, life))
        name = book_key(claim.kid, claim.bound.book)
        book = Book.read(server.get(name), time)
        if book.sum >= claim.bound.most:
            return self._without_room(claim, book)
        fresh, weight = server.put_new(key, life), claim.bound.draw()
        if fresh and weight:
            book.enter(weight, ceil(life), time)
            server.put(name, book.write(), max(book.ends))
        return self._answer(claim, fresh)

    def _peek(self, claim: Claim) -> Answer:
        if claim.bound is not None:
            book = Book.read(self._server.get(book_key(claim.kid, claim.bound.book)), self._server.now())
            if book.sum >= claim.bound.most:
                return self._without_room(claim, book)
        return self._answer(claim, self._server.get(nonce_key(claim.kid, claim.digest)) is None)

    def _without_room(self, claim: Claim, book: Book) -> Answer:
        spent = self._server.get(nonce_key(claim.kid, claim.digest))
        return self._answer(claim, False, 0 if spent else ceil(min(book.ends) - self._server.now()))

    def _answer(self, claim: Claim, fresh: bool, wait: int = 0) -> Answer:
        line = self._server.get(record_key(claim.kid))
        mark = self._server.get(mark_key(claim.kid)) if self._left(claim) > 0 else None
        return judge(claim, fresh, line, mark, self._server.run_id, self._clock_skew, wait)

    def _left(self, claim: Claim) -> float:
        """Say for how many seconds more the nonce is remembered, by the server's clock and the mark."""
        mark = read_mark(self._server.get(mark_key(claim.kid)))
        return remembered_until(claim.expires, mark.skew) - self._server.now() if mark else 0
