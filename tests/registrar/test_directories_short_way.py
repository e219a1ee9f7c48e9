"""A directory answered the short way is the one that the ordinary way answers, to the byte."""

import asyncio
import re

import pytest

from services import DIRECTORY, HOST, Agent, Services
from two_ways import note_taken

_SOME = re.compile(rb"Date: [^\r]*|X-Request-Id: [0-9a-f]{32}")


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every read that was offered to the short way, whether it took it."""
    return note_taken(monkeypatch)


async def ask(services: Services, host: str, *, whole: bool = True, more: str = "") -> bytes:
    """Read a directory, the request in one piece or in two; return the answer without what differs by right."""
    reader, writer = await asyncio.open_connection("127.0.0.1", services.registrar.port)
    request = f"GET {DIRECTORY} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()
    try:
        for part in (request,) if whole else (request[:20], request[20:]):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        return _SOME.sub(b"", head + body)
    finally:
        writer.close()


def host_of(agent: Agent) -> str:
    return f"{agent.uid}.{HOST}"


async def test_both_ways_answer_alike(services: Services, taken: list[bool]) -> None:
    """For an agent, for nobody, at the base, and for a host that is not ours: 200, 404, 404, 421."""
    agent = await services.agent()
    hosts = {host_of(agent): 200, f"agent-{'0' * 24}.{HOST}": 404, HOST: 404, "elsewhere.example": 421}
    for host, status in hosts.items():
        taken.clear()
        short = await ask(services, host)
        assert taken == [True]
        ordinary = await ask(services, host, whole=False)
        assert not any(taken[1:])
        assert short == ordinary
        assert short.startswith(b"HTTP/1.1 %d " % status)


async def test_a_directory_that_the_caller_has_goes_the_ordinary_way(
    services: Services, taken: list[bool]
) -> None:
    """Which compares its tag: 304."""
    agent = await services.agent()
    tag = re.search(rb'(?i)etag: ("[0-9a-f]+")', await ask(services, host_of(agent)))
    assert tag is not None
    taken.clear()
    answer = await ask(services, host_of(agent), more=f"If-None-Match: {tag[1].decode()}\r\n")
    assert not any(taken)
    assert answer.startswith(b"HTTP/1.1 304 ")


async def test_the_short_way_is_counted_and_logged(services: Services, taken: list[bool]) -> None:
    """As the same route."""
    labels = {"service": "registrar", "method": "GET", "route": DIRECTORY, "status": "200"}
    agent = await services.agent()
    before = services.registrar.count("http_requests_total", **labels)
    await ask(services, host_of(agent))
    assert taken[-1]
    assert services.registrar.count("http_requests_total", **labels) == before + 1


async def test_two_hosts_are_for_nobody(services: Services) -> None:
    """Also where one of them is an agent's: which one a gateway meant is not for us to guess."""
    agent = await services.agent()
    answer = await ask(services, host_of(agent), more=f"Host: {HOST}\r\n")
    assert b" 400 " in answer.partition(b"\r\n")[0]
