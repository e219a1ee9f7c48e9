"""Who may register: `REGISTRATION`.

    open      everybody who proves possession of a key
    token     whoever also shows an enrolment token that counts; its label becomes the new owner's
    approval  everybody, and nothing verifies until an operator has approved
    closed    nobody new

In every mode a key that is known learns its uid, and needs neither token nor approval for that: clients ask again
when an answer was lost.

With a token, everything is one transaction.

1. The token's use is counted, which locks its row: of many at once no more pass than it has uses.
2. The key is enrolled under the token's label.
3. If that made nobody new, all of it is taken back, the counted use too.
"""

import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Generic, Literal, TypeVar

from vestry_registrar import bearer
from vestry_registrar.audit.event import Event
from vestry_registrar.repository import audit, tokens
from vestry_registrar.repository.edge import Executor, end_if_silent, transaction
from vestry_registrar.repository.enrolments import FoundKey, NewKey
from vestry_service.errors import RegistrationClosed, TokenRequired
from vestry_service.postgres import Pool

Mode = Literal["open", "token", "approval", "closed"]
MODES: Final[tuple[Mode, ...]] = ("open", "token", "approval", "closed")
UID_BYTES: Final = 12

FoundT = TypeVar("FoundT", bound=FoundKey)


@dataclass(frozen=True, slots=True)
class Statements(Generic[FoundT]):
    """How keys of agents, or of tools, are written and found (`repository/enrolments.py`)."""

    enrol: Callable[[Executor, str, NewKey], Awaitable[FoundT | None]]
    find: Callable[[Executor, str], Awaitable[FoundT | None]]


@dataclass(frozen=True, slots=True)
class Admission:
    """The mode, and the enrolment token that was shown, if one was."""

    mode: Mode = "open"
    token: str | None = None


OPEN: Final = Admission()


async def admit(
    pool: Pool, statements: Statements[FoundT], new: NewKey, admission: Admission
) -> FoundT | None:
    """Find a key, or let it in. None: somebody else writes it at this moment, ask again.

    Raises:
        RegistrationClosed: nobody new is let in.
        TokenRequired: no token that counts was shown.
        UidCollision: the random uid is in use: ask again.
        DatabaseUnavailable: it is unknown whether it was let in.
    """
    match admission.mode:
        case "open":
            return await statements.enrol(pool, _digits(), new)
        case "approval":
            return await statements.enrol(pool, _digits(), replace(new, state="pending"))
        case "token":
            return await _by_token(pool, statements, new, admission.token)
        case "closed":
            found = await statements.find(pool, new.kid)
            if found is None:
                raise RegistrationClosed
            return found


async def _by_token(
    pool: Pool, statements: Statements[FoundT], new: NewKey, token: str | None
) -> FoundT | None:
    used = found = None
    with suppress(_NobodyNew):  # (3)
        async with transaction(pool) as connection:
            await end_if_silent(connection)
            used = await tokens.use_enrolment(connection, bearer.digest(token)) if token else None  # (1)
            if used is not None:
                found = await statements.enrol(connection, _digits(), replace(new, label=used.label))  # (2)
                if found is None or not found.is_new:
                    raise _NobodyNew
                details = {"token": used.id, "label": used.label, "created_by": used.created_by}
                await audit.add(connection, Event("token.used", new.origin, found.uid, new.kid, details))
    if used is not None:
        return found
    found = await statements.find(pool, new.kid)
    if found is None:
        raise TokenRequired(
            "registration needs an enrolment token: Authorization: Bearer, and one that counts"
        )
    return found


class _NobodyNew(Exception):
    """Rolls a use of a token back."""


def _digits() -> str:
    return secrets.token_hex(UID_BYTES)
