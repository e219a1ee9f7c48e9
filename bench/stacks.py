"""The servers that are measured: each alone on the first core, while stores and load share the second.

Logs go to files, as they would under a supervisor, and are on for everybody.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from vestry.embedded import DataDir, Postgres, Valkey

SERVER_CORE, OTHER_CORE = 0, 1


def pin(core: int) -> None:
    """Keep this process and its future children on one core, where the system can and there are two."""
    if hasattr(os, "sched_setaffinity") and core < (os.cpu_count() or 1):
        with suppress(OSError):  # a container that may not use that core
            os.sched_setaffinity(0, {core})


@contextmanager
def on_the_servers_core() -> Iterator[None]:
    """Let this process do something where servers run, so that both are measured on the same core."""
    pin(SERVER_CORE)
    try:
        yield
    finally:
        pin(OTHER_CORE)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Stores(NamedTuple):
    """Embedded stores that run."""

    postgres: Postgres
    valkey: Valkey


@contextmanager
def stores(folder: Path) -> Iterator[Stores]:
    """Yield embedded stores with their data in a folder."""
    with DataDir(folder) as data, ExitStack() as stack:
        postgres, valkey = Postgres(data), Valkey(data)
        for store in (postgres, valkey):
            store.start()
            stack.callback(store.stop)
        yield Stores(postgres, valkey)


class Running(NamedTuple):
    """A server that runs."""

    port: int
    pid: int

    def cpu(self) -> float | None:
        """Seconds that its process has spent on a core so far; None where the system does not tell to the point."""
        if sys.platform != "linux":
            return None
        return time.clock_gettime((~self.pid << 3) | 2)  # clock_getcpuclockid(3), which Python does not have

    def memory(self) -> int:
        """Bytes of memory that it occupies."""
        [line] = [
            line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if "VmRSS" in line
        ]
        return int(line.split()[1]) * 1024


@contextmanager
def server(command: Sequence[str], port: int, log: Path, environ: Mapping[str, str]) -> Iterator[Running]:
    """Yield while a server runs on the first core and answers on its port."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            list(command),
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environ},
            stdout=out,
            stderr=out,
            cwd=log.parent,
            preexec_fn=lambda: pin(SERVER_CORE),
        )
    try:
        _await(port, process, log)
        yield Running(port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{process.args!r} did not start:\n{log.read_text()[-2000:]}")


def python_module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", name, *arguments]
