"""A real proxy between clients and a tool, with real services beside it, as fixtures. Rooms import them."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bare_client import Answer, Headers
from gateways import GATEWAYS, NAME, gateway
from services import Agent, Background, Service, Services
from tls_client import send1, send2
from toy_tool import Line, Reached, ToyTool, serving

__all__ = ["proxied", "verifier"]

URL = f"https://{NAME}"
VERSIONS = {"1.1": send1, "2": send2}


@dataclass
class Proxied:
    """A proxy in front of a tool.

    Attributes:
        name: which one.
        port: where it listens.
        tool: what it protects.
        line: leads from it to the verifier.
        background: where tool and line run.
    """

    name: str
    port: int
    tool: ToyTool
    line: Line
    background: Background

    @contextmanager
    def verifier_says(self, says: bytes | None = None, *, cut: bool = False) -> Iterator[None]:
        """Have the proxy hear something else than the verifier for a while."""
        self.background.run(self.line.change(says, cut=cut))
        try:
            yield
        finally:
            self.background.run(self.line.change())

    async def send(
        self,
        headers: Headers = (),
        method: str = "GET",
        target: str = "/inbox",
        version: str = "1.1",
        host: str = NAME,
        body: bytes = b"",
        patience: float = 15,
    ) -> Answer:
        """Send a request, which knows the name of the tool for TLS whatever host it is for."""
        async with asyncio.timeout(patience):
            return await VERSIONS[version](self.port, method, target, headers, host, body, sni=NAME)

    async def passes(self, *given: Any, **more: Any) -> Reached:
        """Send what must reach the tool, and return what did."""
        before = self.tool.called
        answer = await self.send(*given, **more)
        assert (answer.status, self.tool.called) == (200, before + 1), answer
        return Reached.of(answer.json)

    async def refuses(self, *given: Any, **more: Any) -> Answer:
        """Send what must not reach the tool."""
        before = self.tool.called
        answer = await self.send(*given, **more)
        assert self.tool.called == before
        assert answer.status != 200 or answer.body == b""
        return answer


def sign(agent: Agent, method: str = "GET", target: str = "/inbox", **changes: Any) -> dict[str, str]:
    """Sign a request to the tool behind the proxy, all of it."""
    covered = ('"@authority"', '"@method"', '"@path"', '"@query"', '"@target-uri"')
    return agent.sign(method, URL + target, **{"covered": covered, **changes})


@pytest.fixture(scope="session")
def verifier(services: Services) -> Iterator[Service]:
    """A verifier that takes this machine for a proxy."""
    with services.another_verifier(TRUSTED_PROXIES="127.0.0.1") as service:
        yield service


@contextmanager
def in_front(name: str, folder: Path, verifier: Service, token: str = "") -> Iterator[Proxied]:
    """Run a proxy in front of a toy."""
    background, stack = Background(), AsyncExitStack()
    tool, line = ToyTool(), Line(verifier.port)
    for what in (tool, line):
        background.run(stack.enter_async_context(serving(what)))
    try:
        with gateway(name, folder, tool.port, line.port, token) as port:
            yield Proxied(name, port, tool, line, background)
    finally:
        background.run(stack.aclose())
        background.close()


@pytest.fixture(scope="session", params=GATEWAYS)
def proxied(
    verifier: Service, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    """Each proxy, started once."""
    with in_front(request.param, tmp_path_factory.mktemp(request.param), verifier) as running:
        yield running
