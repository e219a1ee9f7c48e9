"""The verifier's questions to the registrar: what does this key stand for?

The registrar rereads Postgres, writes the live record, and answers with public facts, so a question needs no secret.
Many waiters share one question; at most 16 are under way; each has a time limit and a size limit, and neither follows
redirects nor heeds proxies of the environment. A waiter that joins a question gets an answer which may be older than
its own request: it is good for finding the key, never for deciding that the key still stands.

Anybody can make us ask, by naming a key that nobody has. So four of the 16 places are kept for those who have proven
to hold the key that is asked about: their live record has only expired, and they do not stand in line with strangers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Final

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from vestry_service.live_records import LiveRecord
from vestry_signatures.errors import DirectoryUnreachable

QUESTIONS: Final = 16
STRANGERS: Final = 12
"""How many of them may be about keys that nobody has proven to hold."""
TIMEOUT: Final = 2.0
"""Seconds for one question, the wait for a place among the 16 included."""
MAX_ANSWER: Final = 4096


class Registrar:
    """Asks one registrar. Make one with `open_registrar`."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._places = asyncio.Semaphore(QUESTIONS)
        self._strangers = asyncio.Semaphore(STRANGERS)
        self._under_way: dict[tuple[str, str, bool], asyncio.Task[LiveRecord | None]] = {}

    async def ask(self, uid: str, kid: str, *, proven: bool = False) -> LiveRecord | None:
        """Ask for the record of a pair; None where the registrar knows of no such pair.

        Args:
            uid: `agent-…`.
            kid: thumbprint of the key.
            proven: whether somebody has proven to hold it.

        Raises:
            DirectoryUnreachable: no answer in time, or not an answer of a registrar.
        """
        question = uid, kid, proven  # who has proven it does not join a stranger, who still stands in line
        task = self._under_way.get(question)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._question(uid, kid, proven))
            self._under_way[question] = task
            task.add_done_callback(lambda done: self._finished(question, done))
        # Shielded: a caller that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    def _finished(self, question: tuple[str, str, bool], task: asyncio.Task[LiveRecord | None]) -> None:
        del self._under_way[question]
        if not task.cancelled():
            task.exception()  # seen, even where every waiter has gone away

    async def _question(self, uid: str, kid: str, proven: bool) -> LiveRecord | None:
        line = nullcontext() if proven else self._strangers
        try:
            async with asyncio.timeout(TIMEOUT), line, self._places:
                answer = await self._get(f"/internal/agents/{uid}/keys/{kid}")
        except (ClientError, TimeoutError, OSError) as error:
            raise DirectoryUnreachable from error
        return _record(answer, uid, kid)

    async def _get(self, path: str) -> Any:
        async with self._session.get(self._url + path, allow_redirects=False) as response:
            if response.status != 200:
                raise DirectoryUnreachable
            body = await response.content.read(MAX_ANSWER + 1)
            while not response.content.at_eof() and len(body) <= MAX_ANSWER:
                body += await response.content.read(MAX_ANSWER + 1)
        try:
            return orjson.loads(body) if len(body) <= MAX_ANSWER else None
        except ValueError as error:
            raise DirectoryUnreachable from error

    async def alive(self) -> None:
        """Tell whether the registrar answers at all (for `/readyz`). Raises ClientError or DirectoryUnreachable."""
        async with self._session.get(f"{self._url}/livez", allow_redirects=False) as response:
            if response.status != 200:
                raise DirectoryUnreachable


def _record(answer: Any, uid: str, kid: str) -> LiveRecord | None:
    """Read an answer with suspicion: it must be about the very pair that was asked for."""
    if not isinstance(answer, dict) or "record" not in answer:
        raise DirectoryUnreachable("the registrar's answer cannot be read")
    if answer["record"] is None:
        return None
    try:
        record = LiveRecord(**answer["record"])
    except TypeError as error:
        raise DirectoryUnreachable("the registrar's answer cannot be read") from error
    if record.uid != uid or record.kid != kid:
        raise DirectoryUnreachable("the registrar's answer is about another key")
    return record


@asynccontextmanager
async def open_registrar(url: str) -> AsyncIterator[Registrar]:
    """Yield a registrar client; `url` is the base of its internal port."""
    session = ClientSession(
        connector=TCPConnector(limit=QUESTIONS + 1),
        timeout=ClientTimeout(total=TIMEOUT),
        cookie_jar=DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
    )
    async with session:
        yield Registrar(session, url)
