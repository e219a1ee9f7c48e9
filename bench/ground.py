"""What is measured runs here: stores, our services and the peer's server, each started when first asked for."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from bench import traffic
from bench.peers import ROOT, released
from bench.stacks import Running, Stores, free_port, python_module, server, stores
from bench.traffic import Agent
from vestry_signatures import generate

CONNECTIONS: Final = 32
AGENTS: Final = 32
_HERE: Final = {"PYTHONPATH": str(ROOT)}


class Vestry(NamedTuple):
    """A registrar and a verifier that run, one process each."""

    registrar: Running
    verifier: Running
    internal_port: int  # the registrar's


class Ground:
    """Everything that runs while something is measured.

    Attributes:
        folder: holds data and logs.
        rounds: how many slices of each side.
        seconds: how long a slice is.
    """

    def __init__(self, folder: Path, rounds: int, seconds: float, exits: ExitStack) -> None:
        self.folder = folder
        self.rounds = rounds
        self.seconds = seconds
        self._exits = exits

    @cached_property
    def stores(self) -> Stores:
        return self._exits.enter_context(stores(self.folder / "data"))

    @cached_property
    def vestry(self) -> Vestry:
        return self._exits.enter_context(vestry(self.folder, self.stores))

    @cached_property
    def agents(self) -> list[Agent]:
        """Agents of ours: several, since each may leave only so many signatures within the life of one."""
        return [register(self.vestry.registrar.port) for _ in range(AGENTS)]

    @cached_property
    def hello(self) -> Running:
        port = free_port()
        command = python_module("bench.hello", str(port))
        return self._exits.enter_context(server(command, port, self.folder / "hello.log", _HERE))

    @cached_property
    def vestauth(self) -> Running | None:
        """The peer's server; None where it cannot be had here."""
        binary = released("binary")
        if binary is None:
            return None
        return self._exits.enter_context(vestauth(binary, self.folder, self.stores))

    @cached_property
    def vestauth_agent(self) -> Agent:
        """An agent of the peer's."""
        assert self.vestauth is not None
        return register(self.vestauth.port)


@contextmanager
def vestry(
    folder: Path, stack: Stores, module: str = "vestry_registrar", **settings: str
) -> Iterator[Vestry]:
    """Yield while one registrar and one verifier run on embedded stores; `module` runs the registrar."""
    names = ("PORT", "INTERNAL_PORT", "VERIFIER_PORT", "VERIFIER_INTERNAL_PORT")
    ports = {name: free_port() for name in names}
    environ: Mapping[str, str] = {name: str(port) for name, port in ports.items()} | {
        "BIND": "127.0.0.1",
        "DATABASE_URL": stack.postgres.url,
        "REDIS_URL": stack.valkey.url,
        "LOG_FORMAT": "json",
        "LIMIT_REGISTER": "1000000/1",  # counted, and never reached
        **_HERE,
        **settings,
    }
    with (
        server(python_module(module), ports["PORT"], folder / f"{module}.log", environ) as registrar,
        server(
            python_module("vestry_verifier"), ports["VERIFIER_PORT"], folder / "verifier.log", environ
        ) as verifier,
    ):
        yield Vestry(registrar, verifier, ports["INTERNAL_PORT"])


@contextmanager
def vestauth(binary: Path, folder: Path, stack: Stores) -> Iterator[Running]:
    """Yield while a vestauth server runs, set up as its README says, on a database of its own."""
    port = free_port()
    # Node wants a host in the URL, and takes the socket from the argument all the same.
    database = stack.postgres.database_url("vestauth_bench").replace("@/", "@localhost/")
    for step in ("db:create", "db:migrate"):
        subprocess.run(
            [binary, "server", step, "--database-url", database], check=True, capture_output=True, cwd=folder
        )
    command = [str(binary), "server", "start", "--port", str(port), "--database-url", database]
    environ = {"HOSTNAME": f"localhost:{port}", "PROTOCOL": "http"}
    command += ["--hostname", f"http://localhost:{port}"]
    with server(command, port, folder / "vestauth.log", environ) as running:
        yield running


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
