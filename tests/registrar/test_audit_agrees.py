"""What the trail tells is what the tables hold: who could sign, as replayed from events alone, at any time to come.

Random stories, told through the very use cases that the handlers call; so a change that tells its event wrongly, or
not at all, is found here.
"""

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from records import NOW, SOMEBODY, Key, by, coming, migrated
from vestry_registrar import lifecycle
from vestry_registrar.administration import TRANSITIONS, change
from vestry_registrar.administration import revoke_key as operator_revokes_key
from vestry_registrar.admission import Admission
from vestry_registrar.attachment import allow, attach
from vestry_registrar.audit.history import replay
from vestry_registrar.bearer import digest
from vestry_registrar.enrolment import register_agent, register_tool
from vestry_registrar.repository.administration import AGENTS, TOOLS
from vestry_registrar.repository.agents import find_pair
from vestry_registrar.repository.audit import events_of
from vestry_service.postgres import Pool
from vestry_service.standing import require_standing
from vestry_signatures.errors import VestryError
from vestry_signatures.validity import Validity

END_OF_TIME = datetime.max.replace(tzinfo=UTC)
LATER = [NOW, NOW + 49, NOW + 50, NOW + 99, NOW + 100, NOW + 150, NOW + 10**6]
SOON = Validity(NOW + 50, NOW + 150)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with migrated(database_url) as pool:
        yield pool


class Story:
    """One agent, and all keys that it may ever have had."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self._pool = pool
        self._chance = random.Random(seed)
        self._keys: list[Key] = []
        self._uid = ""

    async def begin(self) -> None:
        key = self._new()
        mode = self._chance.choice(["open", "approval"])
        enrolled = await register_agent(
            self._pool, key.jwk, key.kid, SOMEBODY, admission=Admission(mode)  # type: ignore[arg-type]
        )  # fmt: skip
        self._uid = enrolled.uid

    async def go_on(self) -> None:
        """Do something at random; half of it is refused."""
        act = self._chance.choice([self._rotate, self._add, self._end, self._attach, self._operate])
        with suppress(VestryError):
            await act()

    async def agrees(self) -> None:
        """At every time to come, those can sign that the verifiers let pass."""
        owner = replay(await events_of(self._pool, self._uid), END_OF_TIME)
        for now in LATER:
            told = {key.kid for key in owner.signers(now)}
            assert told == {key.kid for key in self._keys if await self._passes(key, now)}, now

    async def _passes(self, key: Key, now: int) -> bool:
        pair = await find_pair(self._pool, self._uid, key.kid)
        if pair is None:
            return False
        try:
            require_standing(pair.record(), self._uid, now)
        except VestryError:
            return False
        return True

    def _new(self) -> Key:
        self._keys.append(Key())
        return self._keys[-1]

    def _signer(self) -> lifecycle.Signer:
        return by(self._uid, self._chance.choice(self._keys).kid)

    def _coming(self) -> lifecycle.ComingKey:
        return coming(self._new(), *self._chance.choice([(None, None), tuple(SOON), (None, NOW + 100)]))

    async def _rotate(self) -> None:
        await lifecycle.rotate(self._pool, self._signer(), self._coming(), self._chance.choice([0, 100]), 8)

    async def _add(self) -> None:
        await lifecycle.add(self._pool, self._signer(), self._coming(), 8)

    async def _end(self) -> None:
        kid = self._chance.choice(self._keys).kid
        match self._chance.randrange(8):
            case 0:
                await lifecycle.revoke_key(self._pool, self._signer(), kid)
            case 1:
                await operator_revokes_key(self._pool, self._uid, kid, "lost", SOMEBODY)
            case 2 if self._chance.random() < 0.2:
                await lifecycle.revoke_agent(self._pool, self._signer())
            case _:
                await lifecycle.retire(self._pool, self._signer(), kid)

    async def _attach(self) -> None:
        token, key = str(self._chance.random()), self._new()
        await allow(self._pool, self._uid, digest(token), 60, "lost", SOMEBODY)
        await attach(self._pool, token, key.jwk, key.kid, SOMEBODY, self._chance.choice([Validity(), SOON]))

    async def _operate(self) -> None:
        verb = self._chance.choice(["suspend", "resume", "resume", "approve", "approve"])
        await change(self._pool, AGENTS, self._uid, verb, "because", SOMEBODY)  # type: ignore[arg-type]


async def test_who_can_sign_by_the_trail_and_by_the_tables(pool: Pool) -> None:
    """After every step of twelve stories; in them everything happens that can happen to an agent and its keys."""
    for seed in range(12):
        story = Story(pool, seed)
        await story.begin()
        await story.agrees()
        for _ in range(25):
            await story.go_on()
            await story.agrees()
    happened = {row["event"] for row in await pool.fetch("SELECT DISTINCT event FROM audit_events")}
    assert happened == {
        "agent.registered", "agent.approved", "agent.suspended", "agent.resumed", "agent.revoked", "token.created",
        "key.added", "key.attached", "key.rotated", "key.retired", "key.revoked",
    }  # fmt: skip


async def test_a_tools_story_is_told_too(pool: Pool) -> None:
    """Registered to wait for approval, approved, revoked."""
    key = Key()
    uid = (await register_tool(pool, key.jwk, key.kid, SOMEBODY, Admission("approval"))).uid
    states = []
    for verb in TRANSITIONS[TOOLS]:
        states.append(replay(await events_of(pool, uid), END_OF_TIME).state)
        await change(pool, TOOLS, uid, verb, "because", SOMEBODY)
    owner = replay(await events_of(pool, uid), END_OF_TIME)
    assert [*states, owner.state, owner.keys[key.kid].revoked] == ["pending", "active", "revoked", True]
