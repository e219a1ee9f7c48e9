"""A process from start to end: signals, draining, ports that cannot be had."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import pytest

from raw_http import Served

TESTS = Path(__file__).parent.parent
SLOW = "/slow?seconds="


@asynccontextmanager
async def started(**environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import service_process; service_process.main()",
        env=os.environ | {"PYTHONPATH": str(TESTS)} | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def running(**environ: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Served, Served]]:
    async with started(**environ) as process:
        assert process.stderr is not None
        public, internal = (int(port) for port in (await process.stderr.readline()).split())
        yield process, Served(public), Served(internal)


async def status_of(served: Served, target: str) -> int:
    return (await served.get(target)).status


async def slow(port: int, seconds: float) -> bytes:
    """Ask for a slow answer and wait for it to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {SLOW}{seconds} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_process_with_0(number: signal.Signals) -> None:
    """At once, also with an idle connection open, and the log says that it drains."""
    async with running() as (process, public, internal):
        assert (await status_of(public, "/livez"), await status_of(internal, "/readyz")) == (200, 200)
        _, idle = await asyncio.open_connection("127.0.0.1", public.port)
        begun = perf_counter()
        process.send_signal(number)
        out, _ = await process.communicate()
        assert perf_counter() - begun < 3
        assert process.returncode == 0
        idle.close()
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["listening", "draining"]


async def test_what_is_in_flight_is_finished_and_nothing_new_is_taken() -> None:
    """Draining: the public port is closed, the internal one tells so, the running request is answered."""
    async with running() as (process, public, internal):
        asking = asyncio.create_task(slow(public.port, 1.0))
        await asyncio.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        with pytest.raises(ConnectionRefusedError):
            await public.raw(b"")
        answer = await internal.get("/readyz")
        assert (answer.status, json.loads(answer.body)["status"]) == (503, "draining")
        process.send_signal(signal.SIGINT)  # impatience does not cut a request off
        assert (await asking).endswith(b"done")
        await process.communicate()
        assert process.returncode == 0


async def test_a_request_that_does_not_end_is_cut_off_after_the_grace() -> None:
    """A hanging request cannot keep a process from ending."""
    async with running(GRACE="0.6") as (process, public, _):
        asking = asyncio.create_task(slow(public.port, 60))
        await asyncio.sleep(0.2)
        begun = perf_counter()
        process.send_signal(signal.SIGTERM)
        assert b"done" not in await asking
        await process.communicate()
        assert 0.5 < perf_counter() - begun < 3
        assert process.returncode == 0


@pytest.mark.parametrize("variable", ["PORT", "INTERNAL_PORT"])
async def test_a_taken_port_is_one_clear_line(variable: str) -> None:
    """Exit status 1, the setting and the port, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with started(**{variable: str(port)}) as process:
            _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().count("\n") == 1
    assert err.decode().startswith(f"{variable}: 127.0.0.1:{port} is taken")
