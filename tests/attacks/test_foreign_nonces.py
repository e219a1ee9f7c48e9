"""Attacks on what is remembered of foreign agents' signatures: filling the store, and getting one counted twice."""

import asyncio
from pathlib import Path

import pytest

from foreign_hosts import foreign_world
from services import Agent, Services, reasons
from tool_desk import ToolDesk
from tools_files import OTHER_TOKEN, TOKEN, tool

REPLAYED = (401, "REPLAYED_NONCE")
BOTH = '[[foreign]]\nhosts = ["*"]\nprofiles = ["vestauth", "web-bot-auth"]\n'


async def test_a_host_with_ever_new_keys_filling_the_store(services: Services) -> None:
    """However many keys a host publishes, at however many paths: together they have the room of one."""
    async with foreign_world(services, MAX_NONCES_PER_KEY="20") as world:
        own = [world.agent() for _ in range(8)]
        tenants = [world.agent(path=f"/{number}.json") for number in range(4)]
        other = world.agent("other.example")
        world.host.publish(*own)
        for number, tenant in enumerate(tenants):
            world.host.publish(tenant, at=f"/{number}.json")
        for _ in range(5):
            before = len(services.spent())
            answers = await asyncio.gather(
                *(world.verify(agent.sign_strictly()) for agent in [*own, *tenants] * 3)
            )
            assert len(services.spent()) - before <= 20
            if all(answer.status != 503 for answer in answers):  # a busy machine may not answer within 250 ms
                break
        assert reasons(answers) <= {"verified", "RATE_LIMITED"}
        assert (await world.verify(own[0].sign_strictly())).verdict == (429, "RATE_LIMITED")
        world.host.publish(other)
        assert (await world.verify(other.sign_strictly())).status == 200


@pytest.fixture
def tools_file(tmp_path: Path) -> Path:
    """Two tools at one authority: one takes either profile, one takes the looser one alone."""
    path = tmp_path / "tools.toml"
    one = tool(name="one", token=TOKEN)
    two = tool('profiles = ["vestauth"]', name="two", token=OTHER_TOKEN)
    path.write_text(f"{one}{two}{BOTH}")
    return path


async def test_a_signature_that_two_tools_count_by_different_profiles(
    services: Services, tools_file: Path
) -> None:
    """What a signature is counted under depends on what it covers, not on the profile by which it is judged."""
    async with foreign_world(services, TOOLS_FILE=str(tools_file)) as world:
        desk = ToolDesk(services, world.verifier, tools_file)
        agent = world.agent()
        world.host.publish(agent)
        for first, second in ((TOKEN, OTHER_TOKEN), (OTHER_TOKEN, TOKEN)):
            signed = agent.sign_strictly()
            assert (await desk.ask(signed, token=first)).status == 200
            assert (await desk.ask(signed, token=second)).verdict == REPLAYED


async def test_one_signature_under_the_names_of_two_hosts(services: Services, tools_file: Path) -> None:
    """Where Signature-Agent may be exchanged, a host that publishes the signer's key gets no second use of it."""
    async with foreign_world(services, TOOLS_FILE=str(tools_file)) as world:
        desk = ToolDesk(services, world.verifier, tools_file)
        agent = world.agent()
        thief = Agent(agent.key, world.agent("other.example").uid)
        for each in (agent, thief):
            world.host.publish(each)
        signed = agent.sign(named=agent.header)
        assert (await desk.ask(signed, token=TOKEN)).status == 200
        stolen = {**signed, "Signature-Agent": f'sig1="https://{thief.uid}"'}
        assert (await desk.ask(stolen, token=TOKEN)).verdict == REPLAYED
