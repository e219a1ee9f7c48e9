"""The real `vestry up` as a child, on free ports: registrar, verifier, Postgres and Valkey, as a user runs them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

_VARIABLES = ("PORT", "INTERNAL_PORT", "VERIFIER_PORT", "VERIFIER_INTERNAL_PORT")
_READY_WITHIN = 90  # seconds


class Answer(NamedTuple):
    """An HTTP answer: status, headers and the JSON body."""

    status: int
    headers: Mapping[str, str]
    facts: Any

    @property
    def reason(self) -> str:
        found: str = self.facts["error"]["reason"]
        return found


def ask(
    url: str, facts: object = None, headers: Mapping[str, str] | None = None, method: str | None = None
) -> Answer:
    """Send a request, with `facts` as its JSON body where there are any, and read the JSON answer."""
    body = None if facts is None else json.dumps(facts).encode()
    request = urllib.request.Request(
        url, body, {"Content-Type": "application/json", **(headers or {})}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, answer.headers, json.load(answer))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, refusal.headers, json.load(refusal))


class LiveStack:
    """A running `vestry up`.

    Attributes:
        ports: by the variable that sets each.
        base: the base URL.
        data: its DATA_DIR.
        verifier: the verifier's URL.
    """

    def __init__(
        self, data: Path, log: Path, ports: Mapping[str, int] | None = None, **settings: str
    ) -> None:
        self.ports = ports or free_ports()
        self.base = f"http://localhost:{self.ports['PORT']}"
        self.verifier = f"http://localhost:{self.ports['VERIFIER_PORT']}"
        self.data = data
        self._log = log
        environ = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
        }
        own = {name: str(port) for name, port in self.ports.items()}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "vestry", "up", "--with-parent"],
                env={**environ, **own, "DATA_DIR": str(data), **settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """The process that runs it all."""
        return self._process.pid

    def await_ready(self) -> None:
        """Return when it says that it is up; raise AssertionError with what it said if it does not."""
        deadline = time.monotonic() + _READY_WITHIN
        while "vestry is up" not in self.said():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def said(self) -> str:
        """Return everything it said so far."""
        return self._log.read_text(errors="replace")

    def stop(self) -> int:
        """Stop it as Ctrl-C does, and return its exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(30)

    def verify(self, method: str, url: str, headers: Mapping[str, str]) -> Answer:
        """Ask the verifier who signed a request."""
        return ask(f"{self.verifier}/verify", {"method": method, "url": url, "headers": headers})

    def directory(self, uid: str) -> Answer:
        """Read an agent's key directory at the path under the base URL, which needs no wildcard DNS."""
        return ask(f"{self.base}/agents/{uid}/.well-known/http-message-signatures-directory")


@contextmanager
def live_stack(
    data: Path, log: Path, ports: Mapping[str, int] | None = None, **settings: str
) -> Iterator[LiveStack]:
    """Yield a stack that is ready, its data in `data`, its output in `log`, on free ports if none are given."""
    stack = LiveStack(data, log, ports, **settings)
    try:
        stack.await_ready()
        yield stack
    finally:
        stack.stop()


def free_ports() -> dict[str, int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in _VARIABLES]
    ports = {name: sock.getsockname()[1] for name, sock in zip(_VARIABLES, sockets, strict=True)}
    for sock in sockets:
        sock.close()
    return ports
