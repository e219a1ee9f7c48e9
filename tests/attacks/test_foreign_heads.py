"""Attacks with what comes before an answer: informational ones, of which there may be any number."""

import contextlib
import socket
import time
from collections.abc import Iterator
from threading import Thread

import pytest

from certificates import authority
from foreign_hosts import HOSTS, Foreign, directory, foreign_world
from services import Services

HINT = b"HTTP/1.1 103 \r\n\r\n"
LONG_HINT = b"HTTP/1.1 103 Early Hints\r\n" + b"Link: </style.css>; rel=preload\r\n" * 60 + b"\r\n"
BARE = {"TOOL_FQDN_REGEX": r"(bot|x\.bots)\.example:\d+"}


@contextlib.contextmanager
def _flooding(part: bytes) -> Iterator[int]:
    """Listen in a thread, which no turn of the verifier's loop holds up, and send `part` again and again."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        thread = Thread(target=_flood, args=(server, part * (256 * 1024 // len(part))), daemon=True)
        thread.start()
        yield server.getsockname()[1]
    thread.join(5)
    assert not thread.is_alive()


def _flood(server: socket.socket, parts: bytes) -> None:
    with contextlib.suppress(OSError):  # of a verifier that has heard enough
        caller, _ = server.accept()
        caller.settimeout(5)
        with authority().serving(*HOSTS).wrap_socket(caller, server_side=True) as flooded:
            flooded.recv(4096)
            while True:
                flooded.sendall(parts)


@pytest.mark.parametrize("hint", [HINT, LONG_HINT], ids=["short", "long"])
async def test_hints_without_end(services: Services, hint: bytes) -> None:
    """Whoever sends hints and no answer is cut off after 64 KiB, long before the time for a fetch is over."""
    async with foreign_world(services, **BARE) as world:
        with _flooding(hint) as port:
            started = time.monotonic()
            answer = await world.verify(Foreign(uid=f"bot.example:{port}").sign_strictly())
            assert answer.verdict == (503, "DIRECTORY_UNREACHABLE")
            assert world.fetches("too_large") == 1, world.verifier.lines()
            assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("length", [b"Content-Length", b"X-Length"], ids=["length", "until-close"])
@pytest.mark.parametrize("hints", [1, 25])
async def test_hints_of_an_honest_host(services: Services, hints: int, length: bytes) -> None:
    """A directory behind a few hints is one, also where both together have more than 64 KiB and come at once."""
    async with foreign_world(services) as world:
        agent = world.agent()
        long = directory(agent, padding=[" " * 60_000]).replace(b"Content-Length", length)
        world.host.replies["*"] = LONG_HINT * hints + long
        assert len(LONG_HINT) * hints < 64 * 1024 < len(LONG_HINT) * 25 + len(long)
        assert (await world.verify(agent.sign_strictly())).status == 200
        assert world.fetches("fetched") == 1
