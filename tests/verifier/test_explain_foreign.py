"""Of a foreign agent, too, it is explained why it does not verify: who is not believed, and what its host did."""

import json
from typing import Any

import pytest

from bare_client import send
from foreign_hosts import World, foreign_world, reply
from services import DIRECTORY, TOOL, Agent, Services


async def explained(world: World, headers: dict[str, str]) -> Any:
    question = json.dumps({"method": "GET", "url": TOOL, "headers": headers}).encode()
    kind = {"Content-Type": "application/json"}
    answer = await send(world.verifier.internal_port, "POST", "/verify/explain", kind, question, "v")
    assert answer.status == 200, answer.body
    return answer.json


def saw(told: Any, check: str) -> str:
    found: str = next(each["saw"] for each in told["checks"] if each["check"] == check)
    return found


async def test_one_that_verifies(services: Services) -> None:
    """It says where the key was found, and spends nothing."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent)
        signed = agent.sign_strictly()
        told = await explained(world, signed)
        assert (told["outcome"], told["signer"]["uid"]) == ("verified", agent.uid)
        assert saw(told, "key") == f"ed25519, by its own directory, {agent.url}{DIRECTORY}"
        assert (await world.verify(signed)).status == 200


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (reply(b"", status="500 No"), "another status than 200"),
        (reply(b"", status="404 Not Found"), "there is no directory there"),
        (reply(b"<html>", kind="text/html"), "no directory"),
        (reply(b"x", "Content-Encoding: gzip"), "compressed"),
        (reply(b"x" * 70_000), "longer than 64 KiB"),
    ],
    ids=["status", "gone", "html", "coded", "long"],
)
async def test_what_its_host_did(services: Services, answer: bytes, hint: str) -> None:
    """The refusal is calm, the explanation is not; also while the host is left alone after a failure."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.replies[DIRECTORY] = answer
        for _ in range(2):
            told = await explained(world, agent.sign_strictly())
            assert (told["reason"], told["failed"]) == ("DIRECTORY_UNREACHABLE", "key")
            assert hint in told["hint"]
            assert f"{agent.url}{DIRECTORY}" in told["hint"]
        assert world.host.connections == 1


async def test_addresses_and_names(services: Services) -> None:
    """Where its name leads, and that it leads nowhere."""
    async with foreign_world(services, TOOL_FQDN_REGEX=".*", FETCH_ALLOW_PRIVATE="") as world:
        for name, hint in (
            ("bot.example", "FETCH_ALLOW_PRIVATE"),
            ("nowhere.example", "does not resolve"),
        ):
            told = await explained(world, world.agent(name).sign_strictly())
            assert hint in told["hint"]


async def test_who_is_not_believed(services: Services) -> None:
    """A host that nobody names, and one that is believed only with Signature-Agent covered."""
    async with foreign_world(services) as world:
        told = await explained(world, world.agent("evil.test").sign_strictly())
        assert "hosts that the operator admits" in told["hint"]
        told = await explained(world, world.agent().sign())
        assert (told["reason"], told["failed"]) == ("UNTRUSTED_SIGNATURE_AGENT", "trust")
        assert "must cover Signature-Agent" in told["hint"]


async def test_key_that_its_directory_lacks(services: Services) -> None:
    """It names the directory that lacks the key."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(Agent())
        told = await explained(world, agent.sign_strictly())
        assert (told["reason"], told["failed"]) == ("UNKNOWN_KEY", "key")
        assert saw(told, "key").startswith(f"by its own directory, {agent.url}{DIRECTORY}")
