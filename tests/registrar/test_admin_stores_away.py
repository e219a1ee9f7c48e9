"""An operator acts while a store is away: the change stands or it does not, and is never forgotten."""

import asyncio
from collections.abc import Callable

from redis import Redis

from operator_desk import Desk
from services import Agent, Services, until
from stores import ValkeyServer

REVOKED = (401, "REVOKED_KEY")


async def verdicts_until_some(services: Services, agent: Agent, other: Agent) -> list[tuple[int, str]]:
    """Ask for an agent again and again until another one verifies; return what was said of it."""
    said: list[tuple[int, str]] = []

    async def other_verifies() -> bool:
        said.append((await services.verify(agent.sign())).verdict)
        return (await services.verify(other.sign())).status == 200

    await until(other_verifies, patience=20)
    return said


SAID_AFTERWARDS = [REVOKED, (401, "SUSPENDED_AGENT"), REVOKED]


async def three_changes(
    services: Services, desk: Desk, back: Callable[[], None], agents: list[Agent]
) -> None:
    """Revoke, suspend and take the key of three agents while Redis is away: they stand, and are not published."""
    try:
        orders = ("revoke", "suspend", f"keys/{agents[2].key.public.kid}/revoke")
        for agent, path in zip(agents, orders, strict=True):
            done = await desk.do(f"/agents/{agent.uid}/{path}")
            assert (done["changed"], done["published"]) == (True, False)
            assert (await services.verify(agent.sign())).status == 503
    finally:
        back()


async def test_revoked_while_redis_is_stopped(doomed: Services, own_valkey: ValkeyServer) -> None:
    """The answer says that it is not published; nothing verifies meanwhile; it holds before the first 200."""
    doomed.add_registrar()
    doomed.add_verifier()
    desk = await Desk.open(doomed)
    *agents, other = [await doomed.agent() for _ in range(4)]
    for agent in (*agents, other):
        assert (await doomed.verify(agent.sign())).status == 200
    own_valkey.stop()
    await three_changes(doomed, desk, own_valkey.start, agents)
    said = await verdicts_until_some(doomed, agents[0], other)
    assert set(said) <= {REVOKED, (503, "REPLAY_STORE_UNAVAILABLE")}
    assert [(await doomed.verify(agent.sign())).verdict for agent in agents] == SAID_AFTERWARDS
    # The same order again, now that it can be published, says so.
    assert "published" not in await desk.do(f"/agents/{agents[0].uid}/revoke")


async def test_revoked_while_redis_hangs(doomed: Services, own_valkey: ValkeyServer) -> None:
    """A Redis that hangs and goes on has forgotten nothing, so it is believed at once: it learns within seconds."""
    doomed.add_registrar()
    doomed.add_verifier()
    desk = await Desk.open(doomed)
    agents = [await doomed.agent() for _ in range(3)]
    for agent in agents:
        assert (await doomed.verify(agent.sign())).status == 200
    own_valkey.pause()
    await three_changes(doomed, desk, own_valkey.resume, agents)

    async def all_refused() -> bool:
        return [(await doomed.verify(agent.sign())).verdict for agent in agents] == SAID_AFTERWARDS

    await until(all_refused, patience=3)


async def test_redis_flushed_after_a_revocation(doomed: Services, own_valkey: ValkeyServer) -> None:
    """Whatever Redis forgets, the database knows who was revoked, suspended or never approved."""
    doomed.add_registrar(CLOCK_SKEW="0")
    doomed.add_verifier(CLOCK_SKEW="0")
    desk = await Desk.open(doomed)
    revoked, suspended, other = [await doomed.agent() for _ in range(3)]
    with doomed.another_registrar(REGISTRATION="approval", CLOCK_SKEW="0") as by_approval:
        pending = await doomed.agent(by_approval)
    for agent in (revoked, suspended):
        assert (await doomed.verify(agent.sign())).status == 200
    await desk.do(f"/agents/{revoked.uid}/revoke")
    await desk.do(f"/agents/{suspended.uid}/suspend")
    with Redis.from_url(own_valkey.url) as client:
        client.flushall()
    await asyncio.sleep(1.1)
    said = await verdicts_until_some(doomed, revoked, other)
    assert set(said) <= {REVOKED, (503, "REPLAY_STORE_UNAVAILABLE")}
    assert (await doomed.verify(suspended.sign())).verdict == (401, "SUSPENDED_AGENT")
    assert (await doomed.verify(pending.sign())).verdict == (403, "PENDING_AGENT")
