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
from contextlib import ExitStack, suppress

import uvloop
from prometheus_client import CollectorRegistry, Gauge

from bench import traffic
from bench.figures import Sample, Slice
from bench.ground import Ground, vestry
from bench.load import sample
from bench.report import Comparison, compare
from bench.stacks import Running, stores
from bench.untold import untold
from vestry_registrar.audit.sealer import Sealer
from vestry_registrar.migrate import migrate
from vestry_registrar.repository.enrolments import ENROL_AGENT
from vestry_service.logging import make_logger
from vestry_service.postgres import Pool, open_pool

WRITERS = 32
GOAL = 1 / 1.3


def compare_audit(ground: Ground) -> list[Comparison]:
    """Compare registrations with and without the audit trail."""
    folder, seconds = ground.folder / "audit", ground.seconds
    with stores(folder) as stack, ExitStack() as running:
        url = stack.postgres.url
        migrate(url)
        statements = compare(
            ("registration statement, its event sealed", _statement(url, ENROL_AGENT, seconds, sealed=True)),
            ("the same without an event", _statement(url, untold(ENROL_AGENT), seconds, sealed=False)),
            ground.rounds,
        )
        told, quiet = (
            running.enter_context(vestry(folder, stack, module)).registrar
            for module in ("vestry_registrar", "bench.untold")
        )
        requests = compare(
            ("`POST /register`, its event sealed", _requests(told, seconds)),
            ("the same without an event", _requests(quiet, seconds)),
            ground.rounds,
            GOAL,
        )
        return [requests, statements]


def _requests(server: Running, seconds: float) -> Slice:
    """Registrations over HTTP, each of a new key."""

    def measure() -> Sample:
        requests = traffic.register_requests(f"localhost:{server.port}", int(seconds * 3000))
        return sample(server, requests, WRITERS, seconds)

    return measure


def _statement(url: str, statement: str, seconds: float, *, sealed: bool) -> Slice:
    """The statement alone, by many at once."""

    async def measure() -> Sample:
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
            return Sample(sum(counts) / (time.perf_counter() - began))

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
