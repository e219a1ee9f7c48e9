"""Explanations by the rules of a tool, and of foreign agents: they say what that tool is answered."""

from pathlib import Path

import pytest

from bare_client import Answer
from explaining import compare, explained
from foreign_hosts import foreign_world
from services import Services, asked
from tool_desk import ToolDesk, tool_desk
from tools_files import bearer, tool

CASES = {
    "another's authority": ((), {"url": "https://elsewhere.example/"}, "authority", "WRONG_AUTHORITY"),
    "coverage": (('require = ["@method"]',), {}, "required", "INSUFFICIENT_COVERAGE"),
    "coverage of a body": (('require_with_body = ["content-digest"]',), {}, "required", "INSUFFICIENT_COVERAGE"),
    "profile": (('profiles = ["web-bot-auth"]',), {}, "profile", "INSUFFICIENT_COVERAGE"),
    "not allowed": (("allow = []",), {}, "admission", "AGENT_NOT_ALLOWED"),
    "denied": (('deny = ["{uid}"]',), {}, "admission", "AGENT_NOT_ALLOWED"),
    "denied and forged": (('deny = ["{uid}"]',), {"base": b"another"}, "signature", "INVALID_SIGNATURE"),
    "nothing": (('require = ["@authority"]',), {}, None, None),
}  # fmt: skip


async def explain(services: Services, desk: ToolDesk, question: object) -> Answer:
    return await services.explain(question, desk.verifier, **bearer())


@pytest.mark.parametrize("case", CASES)
async def test_by_the_rules_of_the_tool(services: Services, tmp_path: Path, case: str) -> None:
    """The rule that refuses is named as the check that failed, and /verify then answers the tool the same."""
    lines, changes, failed, reason = CASES[case]
    agent = await services.agent()
    url = {"url": changes["url"]} if "url" in changes else {}
    signed = agent.sign(**changes)
    with tool_desk(services, tmp_path, tool(*(line.format(uid=agent.uid) for line in lines))) as desk:
        told = await explain(services, desk, asked(signed, **url))
        compare(told, await desk.ask(signed, **url))
    assert (told.json["failed"], told.json["reason"]) == (failed, reason)


async def test_a_key_without_room(services: Services, tmp_path: Path) -> None:
    """How many signatures a key may have is looked at, and an explanation takes no room."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool("max_nonces = 1")) as desk:
        first, second = agent.sign(), agent.sign()
        for _ in range(2):
            assert explained(await explain(services, desk, asked(first)))[0] == 200
        assert (await desk.ask(first)).status == 200
        told = await explain(services, desk, asked(second))
        assert explained(told) == (429, "RATE_LIMITED", None)
        assert told.json["failed"] == "replay"
        assert (await desk.ask(second)).verdict == (429, "RATE_LIMITED")
        assert (await explain(services, desk, asked(first))).json["reason"] == "REPLAYED_NONCE"


async def test_an_explanation_counts_against_no_rate(services: Services, tmp_path: Path) -> None:
    """However often it is asked, the agent may still call as often as the tool lets it."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool('rate = "1/60"')) as desk:
        signed = agent.sign()
        for _ in range(3):
            assert explained(await explain(services, desk, asked(signed)))[0] == 200
        assert (await desk.ask(signed)).status == 200


async def test_of_a_tool_that_observes(services: Services, tmp_path: Path) -> None:
    """It is told what would have been refused."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool('mode = "observe"', 'require = ["@method"]')) as desk:
        told = await explain(services, desk, asked(agent.sign()))
    assert explained(told) == (401, "INSUFFICIENT_COVERAGE", "invalid")


async def test_a_foreign_agent(services: Services) -> None:
    """Its directory says which keys it has; what that cannot say is told with the directory's name."""
    async with foreign_world(services) as world:
        agent, other = world.agent(), world.agent("other.example")
        world.host.publish(agent)
        signed = agent.sign_strictly()
        told = await services.explain(asked(signed), world.verifier)
        compare(told, await world.verify(signed))
        assert told.json["signer"]["uid"] == agent.uid
        [check] = [each for each in told.json["checks"] if each["check"] == "key"]
        assert f"by its own directory, {agent.url}/.well-known/" in check["saw"]
        used = await services.explain(asked(signed), world.verifier)
        assert used.json["reason"] == "REPLAYED_NONCE"
        for headers, failed, reason in (
            (world.agent().sign_strictly(), "key", "UNKNOWN_KEY"),
            (agent.sign(), "trust", "UNTRUSTED_SIGNATURE_AGENT"),
            (world.agent("evil.test").sign_strictly(), "trust", "UNTRUSTED_SIGNATURE_AGENT"),
            (agent.sign_strictly(base=b"another"), "signature", "INVALID_SIGNATURE"),
        ):
            told = await services.explain(asked(headers), world.verifier)
            compare(told, await world.verify(headers))
            assert (told.json["failed"], told.json["reason"]) == (failed, reason)
        world.host.replies.clear()
        away = await services.explain(asked(other.sign_strictly()), world.verifier)
        assert explained(away) == (503, "DIRECTORY_UNREACHABLE", "unverified")
        assert (away.json["failed"], f"See whether {other.url}/" in away.json["hint"]) == ("key", True)
