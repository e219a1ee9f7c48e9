"""The directory of a foreign agent as it is believed now.

1. This process remembers what it knows, and looks into Redis again after a second at most: what one verifier has
   learned, a removed key above all, every other one knows a second later.
2. A fresh directory is used as it is. When most of its time is over it is fetched in the background, at a moment
   that differs from process to process, so that no request waits and no fleet asks in step.
3. A fresh directory that lacks the key in question is fetched again if it was fetched more than a minute ago: a
   key that was just added is found then, and strangers who name keys that nobody has cause one fetch a minute.
4. A stale directory, or one that is not known, is fetched before anything is answered. Whoever wants it meanwhile
   waits for that one fetch: in this process by one task, in the fleet by the lease (`store.py`).
5. Where that fails, what is known serves for another hour and is not asked for until the pause is over; what is
   not known is `DIRECTORY_UNREACHABLE`. A failure never takes a known key away, an answer that lacks it does.
6. A host has one directory of its own and paths without end. New ones that strangers name are fetched 30 times a
   minute for a host at most, so that nobody makes us flood it, or fill Redis.
7. Whoever was not even asked, since strangers stood in line before him, has not failed: what is not known is left as
   it is, and nobody can have a host passed over for a minute by keeping us busy.
8. A store that knows less than this process has lost something, in a failover say. It is told again, so that a key
   which was removed does not come back with what is older. But who has not looked for some seconds may have missed a
   removal that the store has lost, or kept for a shorter time than this process its own copy: then it is fetched
   before anything is answered.
"""

import asyncio
import random
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from vestry_signatures.errors import DirectoryUnreachable
from vestry_verifier.foreign.answer import BUSY, FetchFailed
from vestry_verifier.foreign.curiosity import Curiosity
from vestry_verifier.foreign.document import Document
from vestry_verifier.foreign.fetch import Fetcher
from vestry_verifier.foreign.identifier import Directory
from vestry_verifier.foreign.joined import Joined
from vestry_verifier.foreign.store import LEASE, Documents

LOOK_AGAIN: Final = 1.0
STILL_SURE: Final = 5.0
UNKNOWN_KEY_FOR: Final = 60.0
POLL: Final = 0.05
CAPACITY: Final = 2_000
"""Seconds, and the directories that one process remembers."""


class Seen(NamedTuple):
    """What this process knows.

    Attributes:
        document: as last seen in Redis.
        looked: when that was.
        refresh_at: when it is fetched ahead.
    """

    document: Document
    looked: float
    refresh_at: float


class Directories:
    """Foreign directories."""

    def __init__(
        self,
        documents: Documents,
        fetcher: Fetcher,
        clock: Callable[[], float],
        chance: Callable[[], float] = random.random,
        capacity: int = CAPACITY,
    ) -> None:
        """Take where a fleet keeps them, who fetches, the time in Unix seconds, and chance from 0 to 1."""
        self._documents = documents
        self._fetcher = fetcher
        self._clock = clock
        self._chance = chance
        self._capacity = capacity
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._curiosity = Curiosity()
        self._work: Joined[Document] = Joined()

    async def current(self, directory: Directory, kid: str) -> Document:
        """Return what is known of a directory whose host is admitted, for the sake of one key.

        Raises:
            DirectoryUnreachable: it is not known and cannot be had now.
            ReplayStoreUnavailable: Redis does not answer.
        """
        document = await self._look(directory.url)  # (1)
        now = self._clock()
        if document.is_fresh(now):
            return await self._fresh(directory, kid, document, now)
        if now >= document.retry_at:
            document = await self._refresh(directory, document)  # (4)
        now = self._clock()
        if document.is_fresh(now) or document.serves_stale(now):  # (5)
            return document
        raise DirectoryUnreachable from FetchFailed(document.why or "unknown")

    async def aclose(self) -> None:
        """Stop what is under way."""
        await self._work.aclose()

    async def _fresh(self, directory: Directory, kid: str, document: Document, now: float) -> Document:
        if now < document.retry_at:
            return document
        lacks = all(key.jwk["kid"] != kid for key in document.keys or ())
        if lacks and now >= document.fetched_at + UNKNOWN_KEY_FOR:  # (3)
            return await self._refresh(directory, document)
        seen = self._seen.get(directory.url)
        if seen is not None and now >= seen.refresh_at:  # (2)
            self._start_refresh(directory, document)
        return document

    async def _look(self, url: str) -> Document:
        seen = self._seen.get(url)
        if seen is not None and 0 <= self._clock() - seen.looked < LOOK_AGAIN:
            self._seen.move_to_end(url)
            return seen.document
        return await self._work.run(("look", url), lambda: self._read(url))

    async def _read(self, url: str) -> Document:
        document = await self._documents.read(url)
        known = self._seen.get(url)
        if known is not None and known.document.started > document.started:  # (8)
            now = self._clock()
            is_sure = 0 <= now - known.looked < STILL_SURE
            mine = known.document if is_sure else known.document.doubted(now)
            document = await self._documents.write(url, "", mine, now)
        return self._remember(url, document)

    def _remember(self, url: str, document: Document) -> Document:
        known = self._seen.get(url)
        if known is not None and known.document == document:
            refresh_at = known.refresh_at
        else:
            refresh_at = document.fresh_until - document.lifetime * (0.1 + 0.2 * self._chance())
        self._seen[url] = Seen(document, self._clock(), refresh_at)
        self._seen.move_to_end(url)
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)
        return document

    async def _refresh(self, directory: Directory, known: Document) -> Document:
        return await self._work.run(directory.url, lambda: self._refreshed(directory, known))

    def _start_refresh(self, directory: Directory, known: Document) -> None:
        self._work.start(directory.url, lambda: self._refreshed(directory, known))

    async def _refreshed(self, directory: Directory, known: Document) -> Document:
        self._require_curiosity(directory, known)
        url, token = directory.url, secrets.token_urlsafe(16)
        end = asyncio.get_running_loop().time() + LEASE
        claimed = await self._documents.claim(url, token)
        while claimed.time is None and not claimed.document.is_news(known):
            if asyncio.get_running_loop().time() > end:
                raise DirectoryUnreachable
            await asyncio.sleep(POLL)
            claimed = await self._documents.claim(url, token)
        document = claimed.document
        if claimed.time is not None:
            if not document.is_news(known):
                document = await self._fetched(directory, document, claimed.time)
            document = await self._documents.write(url, token, document, self._clock())
        return self._remember(url, document)

    def _require_curiosity(self, directory: Directory, document: Document) -> None:
        is_new = document.keys is None and not directory.is_hosts_own
        if is_new and not self._curiosity.allows(directory.authority, self._clock()):  # (6)
            raise DirectoryUnreachable from FetchFailed("too_many_paths")

    async def _fetched(self, directory: Directory, known: Document, started: float) -> Document:
        now = self._clock()
        try:
            validator = known.validator if known.keys is not None else None
            fetched = await self._fetcher.fetch(directory, validator, known=known.is_known)
        except FetchFailed as failure:
            if failure.result == BUSY and known.keys is None:
                return known._replace(why=BUSY)  # (7)
            return known.failed(self._clock(), failure.result)
        keys, validator, lifetime, stale_for = fetched
        if keys is None:
            return known.renewed(started, now, lifetime, stale_for)
        return Document(started, now + lifetime, lifetime, stale_for or 0.0, validator, tuple(keys))
