"""What the audit trail costs a registration.

`POST /register` of a registrar as it is, its sealer at work, against one whose registrations write no event: that is
the promise. And the one statement of a registration with and without its event, for context: HTTP, signature, nonce
and live record left out, so that the difference shows most; many writers at once, the sealer beside them, and a slice
ends only when all of its events are sealed. Every commit is on disk before it is answered.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry, Gauge

from bench import traffic
from bench.load import rate
from bench.report import Comparison, Slice, compare
from bench.stacks import Stores, free_port, python_module, server, stores
from bench.untold import untold
from vestry_registrar.audit.sealer import Sealer
from vestry_registrar.migrate import migrate
from vestry_registrar.repository.enrolments import ENROL_AGENT
from vestry_service.logging import make_logger
from vestry_service.postgres import Pool, open_pool
from vestry_signatures import generate

WRITERS = 32
GOAL = 1 / 1.3
HERE = str(Path(__file__).parent.parent)


def compare_audit(folder: Path, rounds: int, seconds: float) -> list[Comparison]:
    """Compare registrations with and without the audit trail."""
    with stores(folder) as stack, ExitStack() as running:
        url = stack.postgres.url
        migrate(url)
        statements = compare(
            ("registration statement, its event sealed", _statement(url, ENROL_AGENT, seconds, sealed=True)),
            ("the same without an event", _statement(url, untold(ENROL_AGENT), seconds, sealed=False)),
            rounds,
        )
        told = running.enter_context(_registrar("vestry_registrar", folder, stack))
        quiet = running.enter_context(_registrar("bench.untold", folder, stack))
        requests = compare(
            ("POST /register, its event sealed", _requests(told, seconds)),
            ("the same without an event", _requests(quiet, seconds)),
            rounds,
            GOAL,
        )
        return [requests, statements]


@contextmanager
def _registrar(module: str, folder: Path, stack: Stores) -> Iterator[int]:
    """Yield the port of a registrar that lets everybody register."""
    port = free_port()
    environ = {
        "PYTHONPATH": HERE,
        "PORT": str(port),
        "INTERNAL_PORT": str(free_port()),
        "BIND": "127.0.0.1",
        "DATABASE_URL": stack.postgres.url,
        "REDIS_URL": stack.valkey.url,
        "LIMIT_REGISTER": "off",
        "LOG_FORMAT": "json",
    }
    with server(python_module(module), port, folder / f"{module}.log", environ):
        yield port


def _requests(port: int, seconds: float) -> Slice:
    """Registrations over HTTP, each of a new key."""

    def measure() -> float:
        url = f"http://localhost:{port}/register"
        requests = []
        for _ in range(int(seconds * 1500)):
            key = generate()
            body = json.dumps({"public_jwk": key.public.jwk}).encode()
            headers = traffic.signed(key, "POST", url, None)
            requests.append(traffic.post(f"localhost:{port}", "/register", body, headers))
        return rate(port, requests, WRITERS, seconds)

    return measure


def _statement(url: str, statement: str, seconds: float, *, sealed: bool) -> Slice:
    """The statement alone, by many at once."""

    async def measure() -> float:
        async with open_pool(url, WRITERS + 1) as pool:
            began = time.perf_counter()
            sealer = asyncio.create_task(_sealer(pool).run()) if sealed else None
            writers = (_write(pool, statement, began + seconds) for _ in range(WRITERS))
            counts = await asyncio.gather(*writers)
            if sealer is not None:
                sealer.cancel()
                with suppress(asyncio.CancelledError):
                    await sealer
                while await _sealer(pool).seal():
                    pass
            return sum(counts) / (time.perf_counter() - began)

    return lambda: uvloop.run(measure())


async def _write(pool: Pool, statement: str, deadline: float) -> int:
    done = 0
    async with pool.acquire() as connection:
        while time.perf_counter() < deadline:
            kid, uid, request = secrets.token_urlsafe(32), secrets.token_hex(12), secrets.token_hex(16)
            jwk = json.dumps({"kty": "OKP", "crv": "Ed25519", "x": kid})
            origin = "key", kid, "192.0.2.7", request, "{}"
            row = await connection.fetchrow(statement, kid, uid, jwk, *origin, None, None, "active", None)
            done += row["is_new"]
    return done


def _sealer(pool: Pool) -> Sealer:
    gauge = Gauge("unsealed", "Not shown", registry=CollectorRegistry())
    return Sealer(pool, make_logger("bench", "0", "error"), gauge)
