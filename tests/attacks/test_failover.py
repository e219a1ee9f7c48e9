"""Redis behind Sentinels, whose primary hangs, is replaced, and comes back: nothing counts twice, nothing dead lives.

One story for all tests: the replica is cut off, so that it lacks what comes now; signatures are used and a key is
revoked; the primary freezes; the Sentinels promote the replica; the old primary wakes and believes that it is the
primary still, for the seconds that Sentinels leave it alone. Meanwhile everybody goes on asking.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

import topologies
from bare_client import Answer
from services import Agent, Services, reasons, running
from stores import PostgresServer
from topologies import Node, Watched
from vestry_service.store.watch import TRUST
from vestry_signatures import generate

SKEW = 1
PATIENCE = 25


@dataclass
class Story:
    """What was answered, by what was asked; `passed`: all headers that were ever verified."""

    honest: list[Answer] = field(default_factory=list)
    replays: list[Answer] = field(default_factory=list)
    revoked: list[Answer] = field(default_factory=list)
    passed: list[dict[str, str]] = field(default_factory=list)
    again: list[Answer] = field(default_factory=list)
    cut_off: list[Answer] = field(default_factory=list)
    asked_of_the_old: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def story(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Live through it once."""
    url = postgres.create_database()
    with (
        topologies.watched(tmp_path_factory.mktemp("failover"), replicas=1, sentinels=3) as fleet,
        running(url, fleet.url, verifiers=2, CLOCK_SKEW=str(SKEW)) as services,
    ):
        yield asyncio.run(asyncio.wait_for(live_through(fleet, services), 90))
    postgres.drop_database(url)


async def live_through(fleet: Watched, services: Services) -> Story:
    story, old, new = Story(), *fleet.nodes
    alice, bob = await services.agent(), await services.agent()
    for agent in (alice, bob):
        assert (await patient(services, agent)).status == 200
    new.pause()
    old.ask("CLIENT", "KILL", "TYPE", "replica")
    used = [alice.sign() for _ in range(5)]
    for signed in used:
        assert (await services.verify(signed)).status == 200
    dead = Agent(bob.key, bob.uid)
    assert (await services.rotate(bob, generate())).status == 200
    old.pause()
    new.resume()
    asking = asyncio.create_task(go_on(services, story, alice, dead, used))
    await asyncio.to_thread(fleet.promoted, old)
    old.resume()  # it was frozen for seconds, and takes itself for the primary
    await asyncio.sleep(TRUST + 0.5)
    story.asked_of_the_old.append(scripts_run(old))
    await asyncio.wait_for(asking, PATIENCE)
    story.asked_of_the_old.append(scripts_run(old))
    for verifier in services.verifiers:
        story.again += [await services.verify(signed, verifier=verifier) for signed in (*used, *story.passed)]
    await cut_off(fleet, services, story, alice)
    return story


async def patient(services: Services, agent: Agent) -> Answer:
    """Verify something new, again and again until the answer is more than that the store is busy."""
    for _ in range(50):
        answer = await services.verify(agent.sign())
        if answer.status != 503:
            break
        await asyncio.sleep(0.1)
    return answer


async def go_on(
    services: Services, story: Story, alice: Agent, dead: Agent, used: list[dict[str, str]]
) -> None:
    """Ask everything again and again until honest requests pass once more, and a little longer."""
    kept = [alice.sign() for _ in range(500)]
    in_a_row = 0
    while in_a_row < 20:
        verifier = services.verifiers[len(story.honest) % 2]
        for signed in (kept.pop(), alice.sign()):
            answer = await services.verify(signed, verifier=verifier)
            if answer.status == 200:
                story.passed.append(signed)
        story.honest.append(answer)
        in_a_row = in_a_row + 1 if answer.status == 200 else 0
        story.replays += [await services.verify(each, verifier=verifier) for each in used]
        story.revoked.append(await services.verify(dead.sign(), verifier=verifier))
        await asyncio.sleep(0.05)


async def cut_off(fleet: Watched, services: Services, story: Story, alice: Agent) -> None:
    """Freeze most of the Sentinels: the primary itself is well, but nobody says so any more."""
    for sentinel in fleet.sentinels[1:]:
        sentinel.pause()
    await asyncio.sleep(TRUST + 1)
    story.cut_off = [
        await services.verify(alice.sign(), verifier=verifier) for verifier in services.verifiers
    ]
    for sentinel in fleet.sentinels[1:]:
        sentinel.resume()
    story.cut_off.append(await patient(services, alice))


def scripts_run(node: Node) -> int:
    stats = node.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


def test_replay_across_a_failover(story: Story) -> None:
    """A signature that was used at the primary alone is refused for ever: its replacement never heard of it."""
    assert len(story.replays) > 100
    assert reasons(story.replays) <= {"REPLAYED_NONCE", "REPLAY_STORE_UNAVAILABLE"}


def test_replay_of_whatever_passed_during_a_failover(story: Story) -> None:
    """Wherever it was used, at the old primary or the new one, before or after: nothing counts twice."""
    assert len(story.passed) >= 20
    assert reasons(story.again) <= {"REPLAYED_NONCE", "REPLAY_STORE_UNAVAILABLE"}


def test_revoked_key_across_a_failover(story: Story) -> None:
    """A key that was rotated away stays dead, though the replacement still holds the record in which it lived."""
    assert len(story.revoked) > 20
    assert reasons(story.revoked) <= {"REVOKED_KEY", "REPLAY_STORE_UNAVAILABLE"}
    assert reasons(story.revoked[-5:]) == {"REVOKED_KEY"}


def test_honest_requests_across_a_failover(story: Story) -> None:
    """A 503 for the gap and nothing else; then everything is as always, without anybody's doing."""
    assert reasons(story.honest) == {"verified", "REPLAY_STORE_UNAVAILABLE"}
    assert reasons(story.honest[-20:]) == {"verified"}


def test_replay_at_the_demoted_primary(story: Story) -> None:
    """The old primary wakes and takes writes; two seconds later nobody asks it, though it never hung up."""
    before, after = story.asked_of_the_old
    assert before == after


def test_cut_off_from_most_sentinels(story: Story) -> None:
    """Whoever hears no majority verifies nothing: another primary may be in use elsewhere. It heals by itself."""
    *alone, together = story.cut_off
    assert reasons(alone) == {"REPLAY_STORE_UNAVAILABLE"}
    assert together.status == 200
