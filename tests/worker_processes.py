"""A service as several real processes: `python -m vestry_verifier` or `vestry_registrar` with WORKERS."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

import bare_client
from registrar_process import free_port
from services import BASE
from stores import descendants, kill_all


class Ended(NamedTuple):
    """How a run ended: its exit code, and what it said to the person who started it."""

    code: int
    said: str


class WorkerProcesses:
    """A supervisor and its workers.

    Attributes:
        port, internal_port: where they listen on 127.0.0.1.
        temporary: their folder for temporary files.
    """

    def __init__(self, package: str, folder: Path, environ: dict[str, str]) -> None:
        self.port, self.internal_port = free_port(), free_port()
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self._log, self._errors = folder / "log", folder / "errors"
        prefix = "VERIFIER_" if package == "vestry_verifier" else ""
        with self._log.open("wb") as log, self._errors.open("wb") as errors:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", package],
                env={
                    "PATH": os.environ["PATH"],
                    "TMPDIR": str(self.temporary),
                    "PUBLIC_URL": BASE,
                    "BIND": "127.0.0.1",
                    f"{prefix}PORT": str(self.port),
                    f"{prefix}INTERNAL_PORT": str(self.internal_port),
                    **environ,
                },
                stdout=log,
                stderr=errors,
            )

    @property
    def workers(self) -> list[int]:
        """Their process ids, oldest first."""
        return sorted(descendants(self.popen.pid))

    def lines(self, event: str) -> list[dict[str, Any]]:
        """The lines of the log with this event, so far."""
        found = (json.loads(line) for line in self._log.read_text().splitlines())
        return [line for line in found if line["event"] == event]

    def await_lines(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until the log has that many lines with this event."""
        self.wait(lambda: len(self.lines(event)) >= count)
        return self.lines(event)

    def wait(self, reached: Callable[[], bool], patience: float = 30) -> None:
        """Ask again and again until something is so."""
        deadline = time.monotonic() + patience
        while not reached():
            assert time.monotonic() < deadline, (self._log.read_text(), self._errors.read_text())
            time.sleep(0.02)

    def ended(self, patience: float = 30) -> Ended:
        """Wait until the supervisor has ended."""
        return Ended(self.popen.wait(patience), self._errors.read_text())

    def stop(self) -> Ended:
        """End it by SIGTERM."""
        self.popen.send_signal(signal.SIGTERM)
        return self.ended()

    async def count(self, sample: str, **labels: str) -> float:
        """Scrape, and return the sum of the samples of this name that carry at least these labels."""
        answer = await bare_client.send(self.internal_port, "GET", "/metrics", host="probe")
        families = text_string_to_metric_families(answer.body.decode())
        return sum(
            found.value
            for family in families
            for found in family.samples
            if found.name == sample and labels.items() <= found.labels.items()
        )


@contextmanager
def worker_processes(package: str, folder: Path, count: int = 2, **environ: str) -> Iterator[WorkerProcesses]:
    """Yield a service that was just started; whatever runs of it at the end is killed."""
    started = WorkerProcesses(package, folder, {"WORKERS": str(count), **environ})
    try:
        yield started
    finally:
        kill_all([started.popen.pid, *started.workers])
        started.popen.wait()
