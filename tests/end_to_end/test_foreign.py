"""Agents that others vouch for: of another vestry registrar, and of Cloudflare's signer at a host of its own."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bare_client import send
from clients import Client
from cloudflare import drive
from foreign_hosts import foreign_world
from live_stack import LiveStack
from python_agent import PythonAgent
from service_fixtures import services
from services import Service, Services
from tools_files import TOKEN, bearer, tool

__all__ = ["services"]

TOOL = "https://tool.example/things"
LOOPBACK = "127.0.0.0/8,::1"


class Shifted:
    """A clock that is ahead by some seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@contextmanager
def partner_of(stack: LiveStack, services: Services, clock: Shifted, **environ: str) -> Iterator[Service]:
    """A verifier of somebody else, who believes the agents of this registrar."""
    agents = rf"agent-[0-9a-f]{{24}}\.localhost:{stack.ports['PORT']}"
    settings = {"TOOL_FQDN_REGEX": agents, "FETCH_ALLOW_PRIVATE": LOOPBACK, **environ}
    with services.another_verifier(clock, **settings) as verifier:
        yield verifier


async def test_agent_of_another_registrar(stack: LiveStack, services: Services) -> None:
    """It verifies by its directory, is named by its host, and goes on under a new key after a rotation."""
    agent, clock = PythonAgent(stack.base), Shifted()
    await asyncio.to_thread(agent.register)
    with partner_of(stack, services, clock) as verifier:
        signed = agent.headers("GET", TOOL)
        answer = await services.verify(signed, url=TOOL, verifier=verifier)
        assert answer.status == 200, answer.body
        host = f"{agent.uid}.localhost:{stack.ports['PORT']}"
        assert (answer.json["uid"], answer.json["agent_url"]) == (host, f"http://{host}")
        assert answer.json["well_known_url"] == f"http://{host}/.well-known/http-message-signatures-directory"
        assert answer.json["kid"] == agent.key.public.kid
        again = await services.verify(signed, url=TOOL, verifier=verifier)
        assert again.verdict == (401, "REPLAYED_NONCE")
        old = agent.headers("GET", TOOL)
        await asyncio.to_thread(agent.rotate)
        clock.ahead += 70  # a directory that lacks a key is asked for again after a minute
        new = await services.verify(agent.headers("GET", TOOL), url=TOOL, verifier=verifier)
        assert (new.status, new.json["kid"]) == (200, agent.key.public.kid)
        assert (await services.verify(old, url=TOOL, verifier=verifier)).verdict == (401, "UNKNOWN_KEY")


async def test_directory_that_has_not_changed(stack: LiveStack, services: Services) -> None:
    """Our own registrar says so by 304, and the directory is fresh again."""
    agent, clock = PythonAgent(stack.base), Shifted()
    await asyncio.to_thread(agent.register)
    with partner_of(stack, services, clock) as verifier:
        for ahead in (0, 250):
            clock.ahead = ahead
            for _ in range(2):
                answer = await services.verify(agent.headers("GET", TOOL), url=TOOL, verifier=verifier)
                assert answer.status == 200, answer.body
        counted = {
            result: verifier.count("vestry_directory_fetches_total", result=result)
            for result in ("fetched", "not_modified")
        }
        assert counted == {"fetched": 1, "not_modified": 1}


async def test_agent_that_nobody_has_at_another_registrar(stack: LiveStack, services: Services) -> None:
    """Its registrar answers 404, which is no directory."""
    agent = PythonAgent(stack.base, uid="agent-" + "0" * 24)
    with partner_of(stack, services, Shifted()) as verifier:
        answer = await services.verify(agent.headers("GET", TOOL), url=TOOL, verifier=verifier)
        assert answer.verdict == (503, "DIRECTORY_UNREACHABLE")


async def test_released_client_of_another_registrar(
    agent: Client, stack: LiveStack, services: Services, tmp_path: Path
) -> None:
    """It leaves Signature-Agent uncovered, so it counts only for a tool that names its host for `vestauth`."""
    host = f"{agent.kept('AGENT_UID')}.localhost:{stack.ports['PORT']}"
    partners = f"*.localhost:{stack.ports['PORT']}"
    hosts = f'hosts = ["{partners}"]'
    rules = ["[[tools.inventory.foreign]]", hosts, 'profiles = ["vestauth"]']
    file = tmp_path / "tools.toml"
    file.write_text(tool(*rules) + "[default]\n" + 'authorities = ["tool.example"]\n')
    with partner_of(stack, services, Shifted(), TOOLS_FILE=str(file)) as verifier:
        headers = await asyncio.to_thread(agent.headers, "GET", TOOL)
        plain = await services.verify(headers, url=TOOL, verifier=verifier)
        assert plain.verdict == (401, "UNTRUSTED_SIGNATURE_AGENT")
        question = json.dumps({"method": "GET", "url": TOOL, "headers": headers}).encode()
        asked = {"Content-Type": "application/json", **bearer(TOKEN)}
        answer = await send(verifier.port, "POST", "/verify", asked, question, "v")
        assert answer.status == 200, answer.body
        assert (answer.json["uid"], answer.json["profile"]) == (host, "vestauth")


@pytest.mark.parametrize("form", ['"{url}"', 'sig1="{url}"'])
async def test_cloudflares_signer_with_a_directory_of_its_own(services: Services, form: str) -> None:
    """What its released signer makes verifies by a directory at the signer's host, once, in both forms."""
    async with foreign_world(services) as world:
        agent = world.agent()
        world.host.publish(agent, nbf=int(time.time()) - 60, exp=int(time.time()) + 600, use="sig")
        task: dict[str, Any] = {"do": "sign", "url": TOOL, "jwk": agent.key.jwk}
        headers = await asyncio.to_thread(drive, {**task, "agent": form.format(url=agent.url)})
        answer = await world.verify(headers, TOOL)
        assert answer.status == 200, answer.body
        assert (answer.json["uid"], answer.json["profile"]) == (agent.uid, "web-bot-auth")
        assert (await world.verify(headers, TOOL)).verdict == (401, "REPLAYED_NONCE")
