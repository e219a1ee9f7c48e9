"""Attacks by way of explanations: what is told in detail must not help anybody further."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bare_client import Answer, send
from services import Service, Services, asked
from tools_files import OTHER_TOKEN, TOKEN, bearer, tool


@pytest.fixture
def with_tools(services: Services, tmp_path: Path) -> Iterator[Service]:
    """A verifier with two tools, of which only the first has the right."""
    file = tmp_path / "tools.toml"
    default = '[default]\nauthorities = ["tool.example"]\n'
    one = tool("explain = true", 'require = ["@method"]')
    file.write_text(one + tool(name="other", token=OTHER_TOKEN) + default)
    with services.another_verifier(TOOLS_FILE=str(file)) as verifier:
        yield verifier


async def explain(
    verifier: Service, question: object, token: str | None = None, port: str = "port"
) -> Answer:
    headers = {"Content-Type": "application/json", **({} if token is None else bearer(token))}
    body = json.dumps(question).encode()
    return await send(getattr(verifier, port), "POST", "/verify/explain", headers, body, "v")


async def test_use_up_a_nonce_by_explaining(services: Services) -> None:
    """Who may only explain cannot take a request away from the tool that it was made to."""
    agent = await services.agent()
    for signed in (agent.sign(), agent.sign_strictly(nonce=None)):
        before = services.spent()
        for verifier in services.verifiers:
            assert (await services.explain(asked(signed), verifier)).json["outcome"] == "verified"
        assert services.spent() == before
        assert (await services.verify(signed)).status == 200


async def test_take_an_explanation_for_a_verification(services: Services) -> None:
    """A used request is never explained as one that would verify, not at any verifier."""
    agent = await services.agent()
    signed = agent.sign()
    assert (await services.verify(signed)).status == 200
    for verifier in services.verifiers:
        assert (await services.explain(asked(signed), verifier)).json["reason"] == "REPLAYED_NONCE"


async def test_explain_on_the_public_port_without_the_right(services: Services, with_tools: Service) -> None:
    """Without a file of tools nobody is told there; with one, only the tool that has the right, by its own rules."""
    question = asked((await services.agent()).sign())
    assert (await explain(services.verifier, question)).verdict == (404, "NOT_FOUND")
    assert (await explain(services.verifier, question, TOKEN)).verdict == (404, "NOT_FOUND")
    assert (await explain(with_tools, question)).verdict == (404, "NOT_FOUND")
    assert (await explain(with_tools, question, OTHER_TOKEN)).verdict == (404, "NOT_FOUND")
    assert (await explain(with_tools, question, "x" * 43)).verdict == (401, "TOOL_UNAUTHORIZED")
    told = await explain(with_tools, question, TOKEN)
    assert (told.status, told.json["failed"]) == (200, "required")
    inside = await explain(with_tools, question, OTHER_TOKEN, "internal_port")
    assert (inside.status, inside.json["outcome"]) == (200, "verified")


async def test_find_secrets_in_an_explanation(services: Services, with_tools: Service) -> None:
    """Neither the token of the tool nor anything private stands in it; and nothing of it stands in the log."""
    agent, nonce = await services.agent(), "a-nonce-that-stands-out"
    good, bad = agent.sign(nonce=nonce), agent.sign(nonce=nonce, base=b"another")
    for signed in (good, bad):
        told = await explain(with_tools, asked(signed), TOKEN)
        assert told.status == 200
        text = told.body.decode()
        assert TOKEN not in text
        assert agent.key.jwk["d"] not in text
        line = json.dumps(await with_tools.line_of(told))
        for part in (nonce, TOKEN, "@signature-params", signed["Signature"][6:-1], "inbox"):
            assert part not in line


async def test_learn_from_an_explanation_who_is_on_a_list(services: Services, tmp_path: Path) -> None:
    """Who has not proven to be an agent is not told whether that agent may call."""
    agent = await services.agent()
    file = tmp_path / "tools.toml"
    file.write_text(tool("explain = true", f'deny = ["{agent.uid}"]'))
    with services.another_verifier(TOOLS_FILE=str(file)) as verifier:
        forged = await explain(verifier, asked(agent.sign(base=b"another")), TOKEN)
        proven = await explain(verifier, asked(agent.sign()), TOKEN)
    assert forged.json["reason"] == "INVALID_SIGNATURE"
    [check] = [each for each in forged.json["checks"] if each["check"] == "admission"]
    assert check["result"] == "skipped"
    assert "deny" not in forged.body.decode()
    assert (proven.json["failed"], proven.json["reason"]) == ("admission", "AGENT_NOT_ALLOWED")


async def test_stop_a_verifier_with_questions_that_take_long(services: Services) -> None:
    """However much a request covers, in whatever form: an explanation is bounded work, and a body has a limit."""
    agent = await services.agent()
    value = ", ".join(f'k{number}="{"x" * 20}"' for number in range(500))
    headers = {"Content-Digest": value, "Priority": value, "Accept-Signature": value}
    covered = [f'"{name.lower()}";key="k{number}"' for name in headers for number in range(20)]
    signed = agent.sign(headers=headers, covered=['"@authority"', *covered[:20]], base=b"another")
    whole = agent.sign(headers=headers, covered=['"@authority"', *covered], base=b"another")
    for question in (asked({**signed, **headers}), asked({**whole, **headers})):
        started = time.monotonic()
        told = (await services.explain(question)).json
        assert time.monotonic() - started < 3
        assert told["reason"] in {"INVALID_SIGNATURE", "MALFORMED_SIGNATURE"}
    long = await services.explain({**asked(signed), "more": "x" * 70_000})
    assert long.verdict == (413, "BODY_TOO_LARGE")
