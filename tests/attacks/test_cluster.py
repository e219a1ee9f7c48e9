"""A Redis Cluster of three primaries: a slot moves, a primary dies, and everybody goes on asking."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

import topologies
from bare_client import Answer
from services import Agent, Services, reasons, running, until
from stores import PostgresServer
from topologies import Cluster, Node, wait_for
from vestry_registrar import memory_steps
from vestry_service.live_records import mark_key
from vestry_signatures import generate

SKEW = 1
PATIENCE = 30


@dataclass
class Story:
    """What was answered, by what was asked. `bystander`: of agents whose slots nothing happens to."""

    spread: list[int] = field(default_factory=list)
    moving: list[Answer] = field(default_factory=list)
    moving_bystander: list[Answer] = field(default_factory=list)
    failing: list[Answer] = field(default_factory=list)
    failing_bystander: list[Answer] = field(default_factory=list)
    replays: list[Answer] = field(default_factory=list)
    revoked: list[Answer] = field(default_factory=list)
    again: list[Answer] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def story(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Live through it once."""
    url = postgres.create_database()
    with (
        pytest.MonkeyPatch.context() as hasty,
        topologies.cluster(tmp_path_factory.mktemp("cluster"), replicas=1) as cluster,
        running(url, cluster.url, verifiers=2, CLOCK_SKEW=str(SKEW)) as services,
    ):
        hasty.setattr(memory_steps, "HANDOVER", 2)  # nobody is cut off here, so less patience will do
        yield asyncio.run(asyncio.wait_for(Drama(cluster, services).live_through(), 120))
    postgres.drop_database(url)


class Drama:
    """The story, told on real servers."""

    def __init__(self, cluster: Cluster, services: Services) -> None:
        self.cluster = cluster
        self.services = services
        self.story = Story()
        self.passed: list[dict[str, str]] = []

    async def live_through(self) -> Story:
        agents = await self.one_agent_a_node()
        await self.see_nonces_spread()
        await self.move_a_slot(agents[0], agents[1])
        await self.lose_a_primary(agents[1], agents[2])
        for verifier in self.services.verifiers:
            self.story.again += [
                await self.services.verify(signed, verifier=verifier) for signed in self.passed
            ]
        return self.story

    async def one_agent_a_node(self) -> list[Agent]:
        """Agents whose keys are held by the first, the second and the third primary."""
        found: dict[int, Agent] = {}
        while len(found) < 3:
            agent = await self.services.agent()
            node = self.cluster.primaries.index(self.cluster.owner(mark_key(agent.key.public.kid)))
            found.setdefault(node, agent)
        return [found[node] for node in range(3)]

    async def see_nonces_spread(self) -> None:
        """Sixty agents sign at once; each node remembers some, and together they remember each once."""
        agents = [await self.services.agent() for _ in range(60)]
        before = [nonces(node) for node in self.cluster.primaries]
        answers = await asyncio.gather(*(self.services.verify(agent.sign()) for agent in agents))
        assert [answer.status for answer in answers].count(200) > 50
        self.story.spread = [
            nonces(node) - old for node, old in zip(self.cluster.primaries, before, strict=True)
        ]

    async def move_a_slot(self, mover: Agent, bystander: Agent) -> None:
        """Move the first agent's slot from the first node to the third, key by key, under load."""
        used = [await self.use(mover) for _ in range(5)]
        stop = asyncio.Event()
        going = [
            asyncio.create_task(self.go_on(mover, self.story.moving, stop, used)),
            asyncio.create_task(self.go_on(bystander, self.story.moving_bystander, stop, [])),
        ]
        await asyncio.to_thread(move, self.cluster, mark_key(mover.key.public.kid))
        await self.until_it_passes(self.story.moving)
        stop.set()
        await asyncio.gather(*going)

    async def lose_a_primary(self, loser: Agent, bystander: Agent) -> None:
        """Kill the second node, whose replica has not heard of the latest, under load."""
        old = self.cluster.primaries[1]
        [heir] = [
            node for node in self.cluster.replicas if node.info("replication")["master_port"] == old.port
        ]
        heir.pause()
        old.ask("CLIENT", "KILL", "TYPE", "replica")
        used = [await self.use(loser) for _ in range(5)]
        dead = Agent(loser.key, loser.uid)
        fresh = Agent(generate(), loser.uid)
        assert (await self.services.rotate(loser, fresh.key)).status == 200
        loser = Agent(fresh.key, loser.uid)
        on_the_same_node = await self.another_at(old)
        old.kill()
        heir.resume()
        stop = asyncio.Event()
        going = [
            asyncio.create_task(self.go_on(on_the_same_node, self.story.failing, stop, used, dead)),
            asyncio.create_task(self.go_on(bystander, self.story.failing_bystander, stop, [])),
        ]
        await asyncio.to_thread(wait_for, lambda: heir.info("replication")["role"] == "master")
        await self.until_it_passes(self.story.failing)
        stop.set()
        await asyncio.gather(*going)

    async def another_at(self, node: Node) -> Agent:
        while True:
            agent = await self.services.agent()
            if self.cluster.owner(mark_key(agent.key.public.kid)) is node:
                return agent

    async def use(self, agent: Agent) -> dict[str, str]:
        """Use a signature up."""
        while True:
            signed = agent.sign()
            if (await self.services.verify(signed)).status == 200:
                return signed

    async def until_it_passes(self, answers: list[Answer]) -> None:
        start = len(answers)

        async def passes() -> bool:
            return len(answers) > start + 20 and all(answer.status == 200 for answer in answers[-10:])

        await until(passes, PATIENCE)

    async def go_on(
        self,
        agent: Agent,
        answers: list[Answer],
        stop: asyncio.Event,
        used: list[dict[str, str]],
        dead: Agent | None = None,
    ) -> None:
        while not stop.is_set():
            verifier = self.services.verifiers[len(answers) % 2]
            signed = agent.sign()
            answer = await self.services.verify(signed, verifier=verifier)
            if answer.status == 200:
                self.passed.append(signed)
            answers.append(answer)
            self.story.replays += [await self.services.verify(each, verifier=verifier) for each in used]
            if dead is not None:
                self.story.revoked.append(await self.services.verify(dead.sign(), verifier=verifier))
                self.story.ready.append((await verifier.ready()).status)
            await asyncio.sleep(0.02)


def nonces(node: Node) -> int:
    with node.raw_client() as client:
        return sum(1 for key in client.scan_iter("n{*", count=1000))


def move(cluster: Cluster, key: bytes) -> None:
    """Move a key's slot to the third primary as redis-cli does, slowly enough to be seen."""
    slot, source, target = cluster.slot(key), cluster.owner(key), cluster.primaries[2]
    ids = {node: node.ask("CLUSTER", "MYID") for node in (source, target)}
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    with source.raw_client() as client:
        while keys := client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 3):
            client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 1000, "KEYS", *keys)
            time.sleep(0.05)
    for node in (target, source, *cluster.primaries):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", ids[target])


def test_nonces_are_spread_over_all_primaries(story: Story) -> None:
    """Every node remembers a part, and every nonce is remembered once."""
    assert min(story.spread) > 5
    assert 50 < sum(story.spread) <= 60


def test_replay_while_a_slot_moves(story: Story) -> None:
    """A used signature is refused before, while and after its slot moves; a new one at worst with a 503."""
    assert reasons(story.replays) <= {"REPLAYED_NONCE", "REPLAY_STORE_UNAVAILABLE"}
    assert reasons(story.moving) == {"verified", "REPLAY_STORE_UNAVAILABLE"}
    assert reasons(story.moving[-10:]) == {"verified"}


def test_replay_across_the_failover_of_a_primary(story: Story) -> None:
    """Whatever ever passed, at the node that died, its heir, or in a slot that moved: it never passes again."""
    assert len(story.replays) > 100
    assert len(story.again) >= 100
    assert reasons(story.again) <= {"REPLAYED_NONCE", "REPLAY_STORE_UNAVAILABLE"}
    assert reasons(story.failing) == {"verified", "REPLAY_STORE_UNAVAILABLE"}


def test_revoked_key_across_the_failover_of_a_primary(story: Story) -> None:
    """The heir never heard that the key was rotated away, and nobody is let in with it."""
    assert len(story.revoked) > 20
    assert reasons(story.revoked) <= {"REVOKED_KEY", "REPLAY_STORE_UNAVAILABLE"}
    assert reasons(story.revoked[-5:]) == {"REVOKED_KEY"}


def test_the_other_slots_go_on(story: Story) -> None:
    """Whatever happens to one node or one slot: agents of the others verify, but for a moment's 503."""
    for answers in (story.moving_bystander, story.failing_bystander):
        counts = Counter(answer.status for answer in answers)
        assert counts.keys() <= {200, 503}
        assert counts[200] > 0.9 * len(answers)
    assert set(story.ready) == {200}
