"""A service as a child process: its log passed on, its last words kept, its readiness asked."""

import contextlib
import http.client
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import IO

from vestry.embedded.errors import CannotStart
from vestry.embedded.process import Process


class Service:
    """A service that may be running.

    Args:
        name: for people.
        command: absolute path of the program, then its arguments.
        environ: its whole environment.
        address: `host:port` where it answers `/readyz`.
        patience: seconds it has to finish what is in flight when it is stopped.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        address: str,
        *,
        patience: float = 15,
    ) -> None:
        self.name = name
        self._command = command
        self._environ = environ
        self._address = address
        self._patience = patience
        self._words: deque[str] = deque(maxlen=20)
        self._process: Process | None = None
        self._pump: threading.Thread | None = None
        self.aloud = False  # whether its log goes to our stderr

    def start(self) -> None:
        self._process = Process(self._command, output=subprocess.PIPE, environ=self._environ)
        output = self._process.popen.stdout
        assert output is not None  # noqa: S101 - a pipe was asked for
        self._pump = threading.Thread(target=self._listen, args=(output,), daemon=True)
        self._pump.start()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def stop(self) -> None:
        """Let it finish what is in flight, then see it gone."""
        if self._process is not None:
            self._process.stop(self._patience)
            self._hear_out()

    def hurry(self) -> None:
        """Wait for nothing in flight any more."""
        if self._process is not None:
            self._process.popen.kill()

    def obituary(self) -> CannotStart:
        """Say how it ended and what it said last. To be asked when it no longer runs."""
        assert self._process is not None  # noqa: S101 - it did run
        ended = self._process.epitaph()
        self._hear_out()
        words = [word for word in self._words if word.strip()]
        # A line of the log, and one of a list whose head came before it, say nothing by themselves.
        reason = f": {words.pop().strip()}" if words and not words[-1].startswith(("{", " ")) else ""
        return CannotStart(f"the {self.name} {ended}{reason}", tuple(words[-10:]))

    def last_words(self) -> str:
        """What it said last: of a line of its log, the event."""
        said = self._words[-1] if self._words else "nothing"
        try:
            return str(json.loads(said)["event"])
        except (ValueError, KeyError, TypeError):
            return said

    def failing(self) -> str | None:
        """Name what it still waits for; None when it is ready."""
        host, _, port = self._address.rpartition(":")
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=3)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return None if answer.status == 200 else _failed_checks(answer.read())
        except (OSError, http.client.HTTPException):
            return f"to answer (it said: {self.last_words()})"
        finally:
            connection.close()

    def _listen(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._words.append(line.decode(errors="replace").rstrip("\n"))
                if self.aloud:
                    # A terminal that went away is no reason to stop listening: the service would block.
                    with contextlib.suppress(OSError, ValueError):
                        sys.stderr.buffer.write(line)
                        sys.stderr.buffer.flush()

    def _hear_out(self) -> None:
        """Wait until everything it said is read; not for ever, its own children may hold the pipe."""
        if self._pump is not None:
            self._pump.join(1)


def _failed_checks(body: bytes) -> str:
    """`postgres (ConnectionRefusedError)` and the like, from the answer of `/readyz`."""
    try:
        checks = json.loads(body)["checks"].items()
        failed = [f"{name} ({c.get('reason', c['status'])})" for name, c in checks if c["status"] != "ok"]
    except (ValueError, KeyError, TypeError, AttributeError):
        failed = []
    return ", ".join(failed) or "to be ready"
