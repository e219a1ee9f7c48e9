"""Attacks by work: a stranger, who proves nothing, has much done for little sent.

What counts is the processor's own time, so that a busy machine measures as a quiet one does.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import signer
from bare_client import send, send_bytes
from registrar_process import registrar_process
from services import BASE, HOST, TOOL, Agent, Services

MALFORMED = (401, "MALFORMED_SIGNATURE")


@contextmanager
def worth(seconds: float) -> Iterator[None]:
    """Fail where the block takes more of the processor's time."""
    began = time.process_time()
    yield
    spent = time.process_time() - began
    assert spent < seconds, f"{spent:.2f} s of work"


def forged(agent: Agent, headers: dict[str, str], covered: list[str], url: str) -> dict[str, str]:
    """Four signatures in an agent's name, none of which holds, that cover the same components."""
    signatures = [
        signer.sign(agent.key, "GET", url, covered=[signer.AUTHORITY, *covered], label=label, base=b"forged")
        for label in ("a", "b", "c", "d")
    ]
    named = ", ".join(f'{label}="{agent.url}"' for label in ("a", "b", "c", "d"))
    return {**signer.both(*signatures), **headers, "Signature-Agent": named}


def long_dictionary(size: int) -> str:
    """A dictionary of twenty short members and one that is long to read."""
    return ", ".join(f"m{number}" for number in range(20)) + f", long=({'a ' * (size // 2)})"


async def test_covered_members_of_several_fields_in_turn(services: Services) -> None:
    """Dozens of members of three long fields, covered in turn by four signatures, do not stop a verifier."""
    agent = await services.agent()
    headers = {name: f"{name}, {long_dictionary(19_000)}" for name in "xyz"}
    covered = [f'"{name}";key="m{number}"' for number in range(20) for name in "xyz"]
    with worth(0.5):
        answer = await services.verify(forged(agent, headers, covered, TOOL))
    assert answer.verdict == MALFORMED
    assert (await services.verify(agent.sign())).status == 200


async def test_covered_fields_as_long_as_a_head_may_be(services: Services) -> None:
    """Nor do headers as long as HTTP lets them be stop a registrar."""
    agent = await services.agent()
    lines = [(name, long_dictionary(16_000)) for name in "xyz"]
    covered = [f'"{name}";key="m{number}"' for number in range(20) for name in "xyz"]
    signed = forged(agent, {}, covered, f"{BASE}/whoami")
    with worth(0.5):
        answer = await services.call("GET", "/whoami", [*signed.items(), *lines])
    assert answer.verdict == MALFORMED


async def test_structured_fields_of_an_honest_length(services: Services) -> None:
    """Sixty members of three fields of a few kilobytes are still read and checked."""
    agent = await services.agent()
    headers = {name: long_dictionary(4_000) for name in "xyz"}
    covered = [f'"{name}";key="m{number}"' for number in range(20) for name in "xyz"]
    signed = agent.sign(headers=headers, covered=[signer.AUTHORITY, *covered])
    assert (await services.verify(signed)).status == 200


@asynccontextmanager
async def silent(port: int, count: int, said: bytes = b"") -> AsyncIterator[list[asyncio.StreamReader]]:
    """Hold connections on which somebody begins to say something and falls silent."""
    readers, writers = [], []
    try:
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            readers.append(reader)
            writers.append(writer)
        yield readers
    finally:
        for writer in writers:
            writer.close()


async def test_connections_that_say_nothing(doomed: Services, tmp_path: Path) -> None:
    """More of them than the process may have files leave it its stores, its internal port and its other clients."""
    with registrar_process(doomed.database_url, doomed.redis_url, tmp_path / "log", files=240) as registrar:
        await registrar.start()
        async with silent(registrar.port, 400, b"GET / HTTP/1.1\r\n"):
            for _ in range(3):
                assert (await send(registrar.port, "GET", "/", host=HOST)).status == 200
                assert (await send(registrar.internal_port, "GET", "/readyz", host="probe")).status == 200


async def test_heads_that_never_end(services: Services) -> None:
    """A head longer than 64 KiB is refused as soon as it is, complete or not, and not kept for a minute."""
    lines = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 16_000) for number in range(100))
    for end in (b"", b"\r\n"):
        answer = await send_bytes(services.registrar.port, b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + end)
        assert answer.verdict == (400, "MALFORMED_REQUEST")
    head = [(f"X-{number}", "x" * 16_000) for number in range(4)]
    answer = await send(services.registrar.port, "GET", "/", head, host=HOST)
    assert answer.status == 200, "up to there it is read"
