"""`/verify` of one process against a peer's `POST /whoami`, and against a handler that does nothing.

Both are asked who signed a request, by requests with the same signatures, with metrics and logging on. The peer's
answer checks less: it stores no nonce, so that nothing of a store is in its time.
"""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import traffic
from bench.load import rate
from bench.report import Comparison, Slice, compare
from bench.stacks import Stores, free_port, python_module, server, stores
from vestry_signatures import PrivateKey, generate

CONNECTIONS = 32


class Agent(NamedTuple):
    """An agent that a server knows."""

    key: PrivateKey
    url: str


class Vestry(NamedTuple):
    """A registrar and a verifier that run."""

    registrar: int
    verifier: int


@contextmanager
def vestry(folder: Path, stack: Stores) -> Iterator[Vestry]:
    """Yield while one registrar and one verifier run on embedded stores."""
    names = ("PORT", "INTERNAL_PORT", "VERIFIER_PORT", "VERIFIER_INTERNAL_PORT")
    ports = {name: free_port() for name in names}
    environ = {name: str(port) for name, port in ports.items()} | {
        "BIND": "127.0.0.1",
        "DATABASE_URL": stack.postgres.url,
        "REDIS_URL": stack.valkey.url,
        "LOG_FORMAT": "json",
    }
    with (
        server(python_module("vestry_registrar"), ports["PORT"], folder / "registrar.log", environ),
        server(python_module("vestry_verifier"), ports["VERIFIER_PORT"], folder / "verifier.log", environ),
    ):
        yield Vestry(ports["PORT"], ports["VERIFIER_PORT"])


@contextmanager
def vestauth(binary: Path, folder: Path, stack: Stores) -> Iterator[int]:
    """Yield the port of a vestauth server, set up as its README says, on a database of its own."""
    port = free_port()
    # Node wants a host in the URL, and takes the socket from the argument all the same.
    database = stack.postgres.database_url("vestauth_bench").replace("@/", "@localhost/")
    for step in ("db:create", "db:migrate"):
        subprocess.run(
            [binary, "server", step, "--database-url", database], check=True, capture_output=True, cwd=folder
        )
    command = [str(binary), "server", "start", "--port", str(port), "--database-url", database]
    environ = {"HOSTNAME": f"localhost:{port}", "PROTOCOL": "http"}
    with server([*command, "--hostname", f"http://localhost:{port}"], port, folder / "vestauth.log", environ):
        yield port


def register(port: int) -> Agent:
    """Register a new agent."""
    key, authority = generate(), f"localhost:{port}"
    url = f"http://{authority}/register"
    body = json.dumps({"public_jwk": key.public.jwk}).encode()
    headers = {
        **traffic.signed(key, "POST", url, None),
        "Host": authority,
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(f"http://127.0.0.1:{port}/register", body, headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return Agent(key, f"http://{json.load(answer)['uid']}.{authority}")


def compare_services(folder: Path, binary: Path | None, rounds: int, seconds: float) -> list[Comparison]:
    """Compare `/verify` with a bare handler and, where its binary is at hand, with vestauth's server."""
    with stores(folder / "data") as stack, ExitStack() as running:
        ours = running.enter_context(vestry(folder, stack))
        agent = register(ours.registrar)
        verify = "/verify, one process", _verify_slice(ours.verifier, agent, seconds)
        hello_port = free_port()
        running.enter_context(
            server(python_module("bench.hello", str(hello_port)), hello_port, folder / "hello.log", _HERE)
        )
        found = [
            compare(
                verify, ("aiohttp POST that does nothing", _hello_slice(hello_port, agent, seconds)), rounds
            )
        ]
        if binary is not None:
            port = running.enter_context(vestauth(binary, folder, stack))
            whoami = "vestauth server, POST /whoami", _whoami_slice(port, register(port), seconds)
            found.append(compare(verify, whoami, rounds, 4.0))
        return found


_HERE = {"PYTHONPATH": str(Path(__file__).parent.parent)}


def _verify_slice(port: int, agent: Agent, seconds: float) -> Slice:
    number = int(seconds * 8000)

    def measure() -> float:
        requests = traffic.verify_requests(f"localhost:{port}", agent.key, agent.url, number)
        return rate(port, requests, CONNECTIONS, seconds)

    return measure


def _whoami_slice(port: int, agent: Agent, seconds: float) -> Slice:
    number = int(seconds * 3000)

    def measure() -> float:
        requests = traffic.whoami_requests(f"localhost:{port}", agent.key, agent.url, number)
        return rate(port, requests, CONNECTIONS, seconds)

    return measure


def _hello_slice(port: int, agent: Agent, seconds: float) -> Slice:
    like = traffic.verify_requests("localhost", agent.key, agent.url, 1)
    requests = traffic.hello_requests(f"localhost:{port}", like * int(seconds * 30000))
    return lambda: rate(port, requests, CONNECTIONS, seconds)
