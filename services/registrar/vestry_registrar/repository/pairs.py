"""A pair: an agent together with one of its keys, in whatever state the two are.

Every statement that reads pairs gives its columns the same names, so one function makes them. What a pair
means for those who verify is its live record (wire contract, section 7).

Of a JWK only that is stored which is not the same for every key: all are Ed25519 keys (RFC 8037), and the kid stands
in a column of its own. Older rows have the whole JWK, and are read as well.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from vestry_registrar.repository.uids import AGENT
from vestry_service.live_records import LiveRecord
from vestry_signatures.validity import ALWAYS, Validity

# What of a key (k) makes a pair.
COLUMNS: Final = "k.kid, k.state AS key_state, k.not_before, k.not_after, k.value::text AS value"

IMPLIED: Final[Mapping[str, str]] = {"kty": "OKP", "crv": "Ed25519"}
"""What every key is."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An agent and one of its keys.

    Attributes:
        uid: `agent-…`.
        kid: thumbprint of the key.
        jwk: the public key, a JWK with its `kid`.
        version: the agent's, raised by every change of its keys or state.
        agent_state: `active`, `suspended`, `pending` or `revoked`.
        key_state: `active`, `retiring` or `revoked`.
        validity: when the key may be used.
    """

    uid: str
    kid: str
    jwk: dict[str, Any]
    version: int
    agent_state: str
    key_state: str
    validity: Validity = ALWAYS

    @property
    def state(self) -> str:
        """What counts: a revoked key stays revoked whatever the agent is; another is no better than its agent."""
        own = self.key_state == "revoked" or self.agent_state == "active"
        return self.key_state if own else self.agent_state

    def record(self) -> LiveRecord:
        """What the verifiers are to be told of this pair."""
        begin, end = (bound or 0 for bound in self.validity)
        return LiveRecord(self.version, self.uid, self.kid, self.state, begin, end, self.jwk["x"])


def pair(row: Mapping[str, Any]) -> Pair:
    """Make a pair of a row with `uid` (bare), `version`, `agent_state` and `COLUMNS`."""
    return Pair(
        uid=AGENT + row["uid"],
        kid=row["kid"],
        jwk=jwk(row["value"], row["kid"]),
        version=row["version"],
        agent_state=row["agent_state"],
        key_state=row["key_state"],
        validity=validity(row),
    )


def validity(row: Mapping[str, Any]) -> Validity:
    """Read when a key may be used of a row with `not_before` and `not_after`."""
    return Validity(row["not_before"], row["not_after"])


def every_key(agent: str) -> str:
    """Return SQL for the keys of the agent of this number (SQL, too), in any state, to be joined.

    Each of two indexes over the agents' numbers has a part of them (migration 0008), and a statement that names both
    parts asks both. One that leaves out what is revoked, or names a kid, needs only `public_jwks` itself.
    """
    columns = "id, agent_id, kid, value, state, not_before, not_after, proof, created_at, updated_at"
    part = f"SELECT {columns} FROM public_jwks WHERE agent_id = {agent} AND state"
    return f"LATERAL ({part} <> 'revoked' UNION ALL {part} = 'revoked')"


def jwk(value: str, kid: str) -> dict[str, Any]:
    """Read a stored JWK; it always carries the kid we computed."""
    return {**IMPLIED, **json.loads(value), "kid": kid}


def kept(jwk: Mapping[str, Any]) -> str:
    """Write a JWK as it is to be stored: JSON text without what goes without saying."""
    return orjson.dumps({name: value for name, value in jwk.items() if IMPLIED.get(name) != value}).decode()
