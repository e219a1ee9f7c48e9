"""A pair: an agent together with one of its keys, in whatever state the two are.

Every statement that reads pairs gives its columns the same names, so one function makes them. What a pair
means for those who verify is its live record (wire contract, section 7).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vestry_registrar.repository.uids import AGENT
from vestry_service.live_records import LiveRecord


@dataclass(frozen=True, slots=True)
class Pair:
    """An agent and one of its keys.

    Attributes:
        uid: `agent-…`.
        kid: thumbprint of the key.
        jwk: the public key, a JWK with its `kid`.
        version: the agent's, raised by every change of its keys or state.
        agent_state: `active` or `suspended`.
        key_state: `active` or `revoked`.
    """

    uid: str
    kid: str
    jwk: dict[str, Any]
    version: int
    agent_state: str
    key_state: str

    @property
    def state(self) -> str:
        """What counts: a revoked key stays revoked whatever the agent is; an active one is as its agent is."""
        return self.agent_state if self.key_state == "active" else self.key_state

    def record(self) -> LiveRecord:
        """What the verifiers are to be told of this pair."""
        return LiveRecord(self.version, self.uid, self.kid, self.state, 0, 0, self.jwk["x"])


def pair(row: Mapping[str, Any]) -> Pair:
    """Make a pair of a row with `uid` (bare), `version`, `agent_state`, `kid`, `key_state` and `value` (as text)."""
    return Pair(
        uid=AGENT + row["uid"],
        kid=row["kid"],
        jwk=jwk(row["value"], row["kid"]),
        version=row["version"],
        agent_state=row["agent_state"],
        key_state=row["key_state"],
    )


def jwk(value: str, kid: str) -> dict[str, Any]:
    """Read a stored JWK; it always carries the kid we computed."""
    return {**json.loads(value), "kid": kid}
