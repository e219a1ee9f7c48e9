"""Operators: who they are, and how one of them is known again.

An operator is a person or a program with a name and a bearer token. They are made and revoked by whoever has the
database (`vestry operator`), never over the network, so no token can make another.

1. Of a token only its SHA-256 is kept (`bearer.py`).
2. A token that is shown is hashed and compared with every hash that counts, each in constant time and none left
   out, so the time that it takes says nothing about any of them.
3. The database is asked each time: a revoked token fails at the next call.
"""

import hmac
import re
from typing import Final

from vestry_registrar import bearer
from vestry_registrar.audit.event import Event, Origin
from vestry_registrar.repository import audit
from vestry_registrar.repository import operators as stored
from vestry_registrar.repository.edge import transaction
from vestry_service.postgres import Pool

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


class WrongName(ValueError):
    """No operator can be made or revoked under this name; the text says why."""


async def create(pool: Pool, name: str, origin: Origin) -> str:
    """Make an operator and return the token, which nobody can see again.

    Args:
        pool: of connections to Postgres.
        name: 1 to 64 letters, digits and `._@-`; it stands in the audit trail.
        origin: by whom and from where, for the audit trail.

    Raises:
        WrongName: it is not of that form, or an operator has it.
        DatabaseUnavailable: nothing was made that anybody has the token of.
    """
    if not NAME.fullmatch(name):
        raise WrongName("a name is made of 1 to 64 letters, digits and . _ @ -, a letter or digit first")
    token = bearer.make(bearer.OPERATOR)
    async with transaction(pool) as connection:
        if not await stored.add(connection, name, token.hash):  # (1)
            raise WrongName(f"there is an operator {name}: revoke that token first")
        await audit.add(connection, Event("operator.created", origin, details={"name": name}))
    return token.text


async def revoke(pool: Pool, name: str, origin: Origin) -> None:
    """Take an operator's token out of use, for ever. The name may get another one.

    Raises:
        WrongName: there is no such operator.
        DatabaseUnavailable: it is unknown whether that stands.
    """
    async with transaction(pool) as connection:
        if not await stored.revoke(connection, name):
            raise WrongName(f"there is no operator {name}")
        await audit.add(connection, Event("operator.revoked", origin, details={"name": name}))


async def authenticate(pool: Pool, token: str) -> str | None:
    """Return the name of the operator that has this token, or None. Raises DatabaseUnavailable."""
    shown = bearer.digest(token)
    found = None
    for known in await stored.standing(pool):  # (3)
        if hmac.compare_digest(known.token_hash, shown):  # (2)
            found = known.name
    return found
