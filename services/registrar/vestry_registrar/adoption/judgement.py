"""What may be believed of a vestauth database: all rows together.

1. An agent is believed with a uid of the one form that is ours, which no other agent has.
2. A key is believed where a registration would have taken it, under the kid that we compute, for a believed agent.
3. No key acts for two agents. A row with a made-up kid takes nothing from the row with the right one: anybody could
   write it, and the right one was proven at its registration. Two rows with the right kid contradict each other, and
   neither is believed.
4. A private half that stands in the database exposes its key, wherever that stands. That it is the private half is
   computed: nobody ends another's key by writing something beside it.
5. What is wrong with a row, everything of it, is said.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from vestry_registrar.adoption.evidence import Evidence, examine
from vestry_registrar.adoption.reasons import Fate, Reason
from vestry_registrar.adoption.rows import AgentRow, Source

_UID: Final = re.compile("[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class JudgedAgent:
    """An agent's row and what is wrong with it."""

    row: AgentRow
    reasons: tuple[Reason, ...]

    @property
    def fate(self) -> Fate:
        return max((reason.fate for reason in self.reasons), default=Fate.KEPT)

    @property
    def uid(self) -> str | None:
        """`agent-…`; None where the uid is none."""
        known = self.row.uid is not None and _UID.fullmatch(self.row.uid)
        return f"agent-{self.row.uid}" if known else None


@dataclass(frozen=True, slots=True)
class JudgedKey:
    """A key's row, whose it is (`agent-…`, where that is known), and what is wrong with it."""

    evidence: Evidence
    uid: str | None
    reasons: tuple[Reason, ...]

    @property
    def fate(self) -> Fate:
        return max((reason.fate for reason in self.reasons), default=Fate.KEPT)

    @property
    def state(self) -> str:
        """The state in which it is kept."""
        stays = self.fate < Fate.REVOKED and self.evidence.row.state == "active"
        return "active" if stays else "revoked"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of every row."""

    agents: list[JudgedAgent]
    keys: list[JudgedKey]

    @property
    def kept_agents(self) -> list[JudgedAgent]:
        return [agent for agent in self.agents if agent.fate is not Fate.MOVED]

    @property
    def kept_keys(self) -> list[JudgedKey]:
        return [key for key in self.keys if key.fate is not Fate.MOVED]

    @property
    def without_active_key(self) -> list[JudgedAgent]:
        """Believed agents that cannot act."""
        acting = {key.evidence.row.agent_id for key in self.kept_keys if key.state == "active"}
        return [agent for agent in self.kept_agents if agent.row.id not in acting]


Owners: TypeAlias = Mapping[int | None, JudgedAgent]


def judge(source: Source) -> Judgement:
    """Say what becomes of every row."""
    agents = _agents(source.agents)
    owners: Owners = {agent.row.id: agent for agent in agents}
    found = [examine(row) for row in source.keys]
    together = [_owner(owners, found), _duplicates(found), _exposures(found)]
    keys = [
        JudgedKey(each, _uid(owners, each), _ordered(each.reasons.union(*(more[n] for more in together))))
        for n, each in enumerate(found)
    ]
    return Judgement(agents, keys)


def _agents(rows: Sequence[AgentRow]) -> list[JudgedAgent]:
    uses = Counter(row.uid for row in rows)
    return [JudgedAgent(row, _ordered(_wrong_agent(row, uses))) for row in rows]


def _wrong_agent(row: AgentRow, uses: Mapping[str | None, int]) -> Iterable[Reason]:  # (1)
    if row.uid is None or not _UID.fullmatch(row.uid):
        yield Reason.MALFORMED_UID
    elif uses[row.uid] > 1:
        yield Reason.DUPLICATE_UID
    if None in (row.created_at, row.updated_at):
        yield Reason.INCOMPLETE_ROW


def _uid(owners: Owners, key: Evidence) -> str | None:
    owner = owners.get(key.row.agent_id)
    return owner.uid if owner else None


def _owner(owners: Owners, keys: Sequence[Evidence]) -> list[set[Reason]]:  # (2)
    def wrong(key: Evidence) -> set[Reason]:
        owner = owners.get(key.row.agent_id)
        if owner is None:
            return {Reason.NO_AGENT}
        return {Reason.AGENT_NOT_BELIEVED} if owner.fate is Fate.MOVED else set()

    return [wrong(key) for key in keys]


def _duplicates(keys: Sequence[Evidence]) -> list[set[Reason]]:  # (3)
    rows: dict[bytes, list[Evidence]] = defaultdict(list)
    for key in keys:
        if key.point is not None:
            rows[key.point].append(key)

    def wrong(key: Evidence) -> set[Reason]:
        same = rows[key.point] if key.point is not None else []
        rivals = [other for other in same if other is not key and (_is_right(other) or not _is_right(key))]
        return {Reason.DUPLICATE_KEY} if rivals else set()

    return [wrong(key) for key in keys]


def _is_right(key: Evidence) -> bool:
    return key.jwk is not None and Reason.KID_MISMATCH not in key.reasons


def _exposures(keys: Sequence[Evidence]) -> list[set[Reason]]:  # (4)
    exposed: set[str | None] = {kid for key in keys for kid in key.exposed}

    def wrong(key: Evidence) -> set[Reason]:
        elsewhere = key.row.kid in exposed and Reason.PRIVATE_MEMBERS not in key.reasons
        return {Reason.EXPOSED_ELSEWHERE} if elsewhere else set()

    return [wrong(key) for key in keys]


def _ordered(reasons: Iterable[Reason]) -> tuple[Reason, ...]:  # (5)
    wanted = set(reasons)
    return tuple(reason for reason in Reason if reason in wanted)
