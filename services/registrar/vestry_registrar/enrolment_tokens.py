"""Enrolment tokens: an operator makes one, hands it to those who may register, and can take it back.

It counts for so many registrations and so long; its label becomes the label of everybody who registers with it.
What a use of it does is in `admission.py`.
"""

from dataclasses import dataclass

from vestry_registrar import bearer
from vestry_registrar.audit.event import Event, Origin
from vestry_registrar.repository import audit, tokens
from vestry_registrar.repository.edge import transaction
from vestry_service.errors import InternalError, NotFound
from vestry_service.postgres import Pool


@dataclass(frozen=True, slots=True)
class Made:
    """A new token: its number, its text, which is never shown again, and when it ends (Unix seconds)."""

    id: int
    text: str
    expires_at: int


async def create(pool: Pool, label: str, uses: int, seconds: int, origin: Origin) -> Made:
    """Make a token.

    Args:
        pool: of connections to Postgres.
        label: for whom it is.
        uses: how many agents and tools may register with it.
        seconds: how long it counts.
        origin: the operator and from where, for the audit trail.

    Raises:
        DatabaseUnavailable: nothing was made that anybody has the token of.
    """
    token = bearer.make(bearer.ENROLMENT)
    async with transaction(pool) as connection:
        kept = await tokens.add(
            connection,
            token.hash,
            label=label,
            uid=None,
            uses=uses,
            created_by=origin.actor.name,
            seconds=seconds,
        )
        if kept is None:
            raise InternalError
        number, expires_at = kept
        details = {"token": number, "label": label, "uses": uses, "expires_at": expires_at}
        await audit.add(connection, Event("token.created", origin, details=details))
    return Made(number, token.text, expires_at)


async def revoke(pool: Pool, number: int, reason: str, origin: Origin) -> bool:
    """Take a token out of use, an attach token too; False where it was so already.

    Raises:
        NotFound: there is no such token.
        DatabaseUnavailable: it is unknown whether that stands.
    """
    async with transaction(pool) as connection:
        changed = await tokens.revoke(connection, number)
        if changed is None:
            raise NotFound("there is no such token")
        if changed:
            details = {"token": number, "reason": reason}
            await audit.add(connection, Event("token.revoked", origin, details=details))
    return changed
