"""How long after an operator's word anybody is still let through: not at all."""

import asyncio
import time
from dataclasses import dataclass, field

from operator_desk import Desk
from services import Agent, Service, Services

REVOCATIONS = 200
AT_ONCE = 4
SOONEST = 0.05
"""Seconds: what the 99th percentile must be under."""


@dataclass
class Caller:
    """Sends an agent's requests to one verifier, one after the other, until told otherwise.

    Attributes:
        answers: when each was sent and answered, and what came back; without those that decided nothing (503), as
            they come where this machine is too busy for the store's 250 ms.
    """

    services: Services
    agent: Agent
    verifier: Service
    answers: list[tuple[float, float, tuple[int, str]]] = field(default_factory=list)
    enough: bool = False

    async def run(self) -> None:
        while not self.enough:
            headers = self.agent.sign()
            sent = time.monotonic()
            answer = await self.services.verify(headers, verifier=self.verifier)
            if answer.status != 503:
                self.answers.append((sent, time.monotonic(), answer.verdict))

    async def answered(self, number: int) -> None:
        """Wait for so many further answers."""
        wanted = len(self.answers) + number
        while len(self.answers) < wanted:  # noqa: ASYNC110 - the answers come from another task
            await asyncio.sleep(0.001)


def _order(agent: Agent, number: int) -> tuple[str, str]:
    """What the operator does, and what is said afterwards: by turns to the agent, its key, and for a while."""
    return (
        (f"/agents/{agent.uid}/revoke", "REVOKED_KEY"),
        (f"/agents/{agent.uid}/keys/{agent.key.public.kid}/revoke", "REVOKED_KEY"),
        (f"/agents/{agent.uid}/suspend", "SUSPENDED_AGENT"),
    )[number % 3]


async def _last_accepted(services: Services, desk: Desk, number: int) -> float:
    """Revoke an agent amid its requests; return for how many seconds after the answer one was still accepted."""
    agent = await services.agent()
    callers = [Caller(services, agent, verifier) for verifier in services.verifiers]
    tasks = [asyncio.create_task(caller.run()) for caller in callers]
    path, reason = _order(agent, number)
    for caller in callers:
        await caller.answered(1)
    while "published" in await desk.do(path):  # no promise before it is published
        pass
    told = time.monotonic()
    for caller in callers:  # the first of the two may have been on its way
        await caller.answered(2)
        caller.enough = True
    await asyncio.gather(*tasks)
    last = told
    for caller in callers:
        assert caller.answers[0][2] == (200, ""), "the cache was not warm"
        for sent, answered, verdict in caller.answers:
            assert verdict == (401, reason) or (verdict == (200, "") and sent < told)
            if verdict == (200, ""):
                last = max(last, answered)
    return last - told


async def test_after_the_registrars_answer_no_request_is_accepted(services: Services) -> None:
    """200 operators' orders, two verifiers with warm caches: what is sent after the answer never passes.

    What was on its way passes at the most for a moment: the 99th percentile is under 50 ms.
    """
    assert len(services.verifiers) == 2
    desk = await Desk.open(services)
    delays: list[float] = []
    for first in range(0, REVOCATIONS, AT_ONCE):
        orders = (_last_accepted(services, desk, number) for number in range(first, first + AT_ONCE))
        delays += await asyncio.gather(*orders)
    delays.sort()
    assert delays[int(0.99 * REVOCATIONS) - 1] < SOONEST, delays[-5:]
