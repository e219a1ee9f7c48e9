"""Attacks with names: whoever is believed as a foreign agent, and is not."""

from foreign_hosts import foreign_world
from services import Services


async def test_a_foreign_agent(services: Services) -> None:
    """What all the rest of this file tries to get without being it: the host in `uid`, once."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent)
        signed = agent.sign_strictly()
        answer = await world.verify(signed)
        assert answer.status == 200, answer.body
        assert (answer.json["uid"], answer.json["agent_url"]) == (agent.uid, agent.url)
        assert answer.json["kid"] == agent.key.public.kid
        assert (await world.verify(signed)).verdict == (401, "REPLAYED_NONCE")
        assert (await world.verify(agent.sign_strictly())).status == 200
        assert (world.host.connections, world.names.asked) == (1, ["bot.example"])
