"""What `vestry audit` asks the database. Imported only when it is needed: it stands on what the extra brings."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TextIO, TypeVar

import asyncpg

from vestry.cli.database import CannotLook
from vestry_registrar.audit.answer import answer
from vestry_registrar.audit.chain import EMPTY, Head, line
from vestry_registrar.audit.history import replay
from vestry_registrar.audit.trail import Verdict, entries
from vestry_registrar.audit.trail import verify as walk
from vestry_registrar.repository.audit import events_of
from vestry_service.postgres import Pool, open_pool
from vestry_signatures.errors import DatabaseUnavailable

T = TypeVar("T")


def verdict(url: str, noted: str | None) -> Verdict:
    """Walk the chain. Raises ValueError: the noted head is none; CannotLook."""
    head = EMPTY if noted is None else Head.parse(noted)
    return _asked(url, lambda pool: walk(pool, head))


def export(url: str, since: int, out: TextIO) -> None:
    """Write every link above a number with its event, one JSON object a line. Raises CannotLook."""

    async def write(pool: Pool) -> None:
        async for link, event in entries(pool, since):
            out.write(line(link, event) + "\n")

    _asked(url, write)


def who(url: str, uid: str, at: datetime) -> dict[str, Any]:
    """Say which keys could sign as a uid at a time. Raises CannotLook."""
    return answer(uid, at, replay(_asked(url, lambda pool: events_of(pool, uid)), at))


def events(url: str, uid: str) -> list[dict[str, Any]]:
    """Return what was done to a uid, oldest first. Raises CannotLook."""
    return [event.facts() for event in _asked(url, lambda pool: events_of(pool, uid))]


def _asked(url: str, ask: Callable[[Pool], Awaitable[T]]) -> T:
    async def connected() -> T:
        async with open_pool(url, max_size=1) as pool:
            return await ask(pool)

    try:
        return asyncio.run(connected())
    except DatabaseUnavailable:
        raise CannotLook("the database does not answer, or refuses who asks") from None
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        raise CannotLook("this database has no audit trail yet: vestry migrate makes it") from None
    except asyncpg.InsufficientPrivilegeError:
        raise CannotLook("this role may not read the audit trail") from None
