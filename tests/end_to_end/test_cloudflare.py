"""Cloudflare's released signer and reader (npm web-bot-auth) against our code, both ways."""

import time

import pytest

from cloudflare import drive
from live_stack import LiveStack
from python_agent import PythonAgent
from vestry_signatures import Request, sign

TOOL = "https://tool.example/things"


@pytest.fixture
def agent(stack: LiveStack) -> PythonAgent:
    agent = PythonAgent(stack.base)
    assert agent.register().status == 200
    return agent


def _signature_agent(agent: PythonAgent, form: str) -> str:
    return {"bare": f'"{agent.url}"', "dictionary": f'sig1="{agent.url}"'}[form]


@pytest.mark.parametrize("form", ["bare", "dictionary"])
def test_its_reader_accepts_what_we_sign(stack: LiveStack, agent: PythonAgent, form: str) -> None:
    """It verifies a request signed here with the key it finds in our directory, whose media type it knows.

    The whole Signature-Agent field is covered, for this release does not read a single member of it (`;key=`).
    """
    named = {"Signature-Agent": _signature_agent(agent, form)}
    request = Request.of("GET", TOOL, named.items())
    covered = ["@authority", "signature-agent"]
    headers = {**sign(request, agent.key, created=int(time.time()), components=covered), **named}
    directory = f"{agent.url}/.well-known/http-message-signatures-directory"
    answer = drive({"do": "read", "url": TOOL, "headers": headers, "directory": directory})
    assert answer == {"verified": agent.key.public.kid, "expected": True}
    assert stack.verify("GET", TOOL, headers).facts["uid"] == agent.uid


def test_its_reader_refuses_what_was_changed(agent: PythonAgent) -> None:
    """It does read: the same request under another URL is refused."""
    named = {"Signature-Agent": _signature_agent(agent, "bare")}
    request = Request.of("GET", TOOL, named.items())
    headers = {**sign(request, agent.key, created=int(time.time())), **named}
    directory = f"{agent.url}/.well-known/http-message-signatures-directory"
    task = {"do": "read", "url": "https://other.example/", "headers": headers, "directory": directory}
    assert drive(task) == {"refused": "invalid signature"}


@pytest.mark.parametrize("form", ["bare", "dictionary"])
def test_our_verifier_accepts_what_its_signer_makes(stack: LiveStack, agent: PythonAgent, form: str) -> None:
    """Its headers verify here once, and the answer names the strictest profile they meet."""
    named = _signature_agent(agent, form)
    headers = drive({"do": "sign", "url": TOOL, "agent": named, "jwk": agent.key.jwk})
    answer = stack.verify("GET", TOOL, headers)
    assert (answer.status, answer.facts["uid"], answer.facts["profile"]) == (200, agent.uid, "web-bot-auth")
    assert stack.verify("GET", TOOL, headers).reason == "REPLAYED_NONCE"
