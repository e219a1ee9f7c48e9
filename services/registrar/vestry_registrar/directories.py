"""What directories show, kept near: a directory that was read before is shown again without asking Postgres.

Directories are read far more often than they change, and whoever reads one must see a change at once, also when
another process made it. What tells of a change are the live records: every change raises the agent's version, and is
answered only once the records of all its keys are written at that version (`publisher.py`). So:

1. What was read from Postgres is kept with the version it was read at.
2. It is shown again while the live record of its first key is there and carries that very version, and while no key's
   time begins or ends.
3. Else Postgres is read. Where the record was missing it is written again, so that the next reader finds it.
4. Where Redis does not answer Postgres is read: what anybody may read needs no Redis. For a while nobody asks Redis
   then, or every reader would wait for it.

While there is a change that could not be told to Redis (its answer says so, and every registrar tries again all the
time) nothing is shown again: Postgres is read. A directory without keys is not kept.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from vestry_registrar.directory import Page, jwk_set, page
from vestry_registrar.repository.keys import Published, published
from vestry_service.live_records import LiveRecord
from vestry_service.postgres import Pool
from vestry_signatures.errors import ReplayStoreUnavailable

CAPACITY: Final = 20_000
PAUSE: Final = 1.0
"""Seconds for which Redis is not asked after it did not answer."""


class Records(Protocol):
    """Where live records are read."""

    async def look(self, kid: str) -> LiveRecord | None: ...


class Publisher(Protocol):
    """Who writes live records.

    Attributes:
        keeps_up: whether all changes that it knows of are told to Redis.
    """

    @property
    def keeps_up(self) -> bool: ...

    async def answer(self, uid: str, kid: str) -> LiveRecord | None: ...


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory as it was read.

    Attributes:
        found: what it shows.
        page: the same as it is sent.
    """

    found: Published
    page: Page

    def stands(self, uid: str, record: LiveRecord | None) -> bool:
        """Whether nothing has changed by the live record of its first key (2)."""
        return record is not None and record.uid == uid and record.version == self.found.version


class Directories:
    """The directories of one registrar."""

    def __init__(
        self,
        pool: Pool,
        records: Records,
        publisher: Publisher,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        capacity: int = CAPACITY,
    ) -> None:
        """Take the places to ask, and two clocks in seconds: since the epoch, and one that only grows."""
        self._pool = pool
        self._records = records
        self._publisher = publisher
        self._clock = clock
        self._monotonic = monotonic
        self._capacity = capacity
        self._kept: OrderedDict[str, Directory] = OrderedDict()
        self._not_before = 0.0  # when Redis may be asked again (4)

    async def of(self, uid: str) -> Directory | None:
        """Return an agent's directory, or None if there is no such agent. Raises DatabaseUnavailable."""
        now = int(self._clock())
        kept = self._kept.get(uid)
        if kept is not None and await self._stands(uid, kept, now):
            return kept
        found = await published(self._pool, uid, now)  # (3)
        return None if found is None else self._keep(uid, Directory(found, page(jwk_set(found.keys))))

    async def _stands(self, uid: str, kept: Directory, now: int) -> bool:
        until = kept.found.until
        if until is not None and until <= now:
            return False
        if self._monotonic() < self._not_before or not self._publisher.keeps_up:
            return False
        kid: str = kept.found.keys[0]["kid"]
        try:
            record = await self._records.look(kid) or await self._publisher.answer(uid, kid)  # (3)
        except ReplayStoreUnavailable:
            self._not_before = self._monotonic() + PAUSE  # (4)
            return False
        return kept.stands(uid, record)

    def _keep(self, uid: str, read: Directory) -> Directory:
        if read.found.keys:
            self._kept[uid] = read  # (1)
            self._kept.move_to_end(uid)
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        else:
            self._kept.pop(uid, None)
        return read
