"""Health: alive is alive, and readiness names what is missing."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import pytest
from aiohttp import web

from raw_http import Served
from vestry_service.health import Health

Serve = Callable[[web.Application], Awaitable[Served]]


async def fine() -> None: ...


async def refusing() -> None:
    raise ConnectionRefusedError("10.0.0.7:5432 password=hunter2")


async def hanging() -> None:
    await asyncio.sleep(60)


async def saying_no() -> bool:
    return False


@pytest.fixture
def health() -> Health:
    return Health(timeout=0.1)


@pytest.fixture
async def served(app: web.Application, health: Health, serve: Serve) -> Served:
    app.add_routes(health.routes())
    return await serve(app)


async def ready(served: Served, path: str = "/readyz") -> tuple[int, dict[str, Any]]:
    answer = await served.get(path)
    return answer.status, json.loads(answer.body)


async def test_alive_whatever_fails(served: Served, health: Health) -> None:
    """A supervisor must not restart us because a store is away."""
    health.add("postgres", refusing)
    health.drain()
    assert (await served.get("/livez")).status == 200


async def test_ready_when_every_check_is(served: Served, health: Health) -> None:
    """Each check is named, with its state and how long it took."""
    health.add("postgres", fine)
    status, told = await ready(served)
    assert (status, told["status"]) == (200, "ok")
    assert told["checks"]["postgres"]["status"] == "ok"
    assert told["checks"]["postgres"]["duration_ms"] >= 0


@pytest.mark.parametrize(
    ("check", "reason"),
    [(refusing, "ConnectionRefusedError"), (hanging, "no answer in time"), (saying_no, "not ready")],
)
async def test_unready_names_exactly_the_check_that_failed(
    served: Served, health: Health, check: Callable[[], Awaitable[object]], reason: str
) -> None:
    """The kind of failure is told, its text is not: it may hold an address or a password."""
    health.add("postgres", check)
    health.add("redis", fine)
    status, told = await ready(served)
    assert (status, told["status"]) == (503, "failed")
    assert (told["checks"]["postgres"]["status"], told["checks"]["postgres"]["reason"]) == ("failed", reason)
    assert told["checks"]["redis"]["status"] == "ok"
    assert "hunter2" not in json.dumps(told)


async def test_an_informational_check_fails_nothing(served: Served, health: Health) -> None:
    """It is shown, so that an operator sees it."""
    health.add("registrar", refusing, required=False)
    status, told = await ready(served)
    assert status == 200
    assert told["checks"]["registrar"]["status"] == "failed"


async def test_checks_run_at_once_and_each_for_a_limited_time(served: Served, health: Health) -> None:
    """Several stores that hang cost one timeout and not one each."""
    for name in "abcde":
        health.add(name, hanging)
    started = perf_counter()
    assert (await ready(served))[0] == 503
    assert perf_counter() - started < 0.4


async def test_a_draining_process_is_not_ready(served: Served, health: Health) -> None:
    """Balancers stop sending before we stop answering."""
    health.add("redis", fine)
    health.drain()
    status, told = await ready(served)
    assert (status, told["status"]) == (503, "draining")


async def test_healthz_is_the_same_and_head_works(served: Served, health: Health) -> None:
    """An alias, and probes that ask with HEAD."""
    health.add("redis", refusing)
    assert (await ready(served, "/healthz"))[0] == 503
    for path, status in (("/livez", 200), ("/readyz", 503), ("/healthz", 503)):
        answer = await served.send("HEAD", path)
        assert (answer.status, answer.body) == (status, b"")


async def test_no_answer_is_kept_by_a_cache(served: Served) -> None:
    """A cached `ok` would outlive the truth."""
    assert (await served.get("/readyz")).headers["cache-control"] == "no-store"
