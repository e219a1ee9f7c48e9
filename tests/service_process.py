"""A small service in a process of its own, for tests that send it signals.

Run as `python -c "import service_process; service_process.main()"` with PORT and INTERNAL_PORT in the environment.
"""

import asyncio
import os
import sys

from aiohttp import web

from vestry_service.app import make_app
from vestry_service.health import Health
from vestry_service.logging import make_logger
from vestry_service.metrics import Metrics
from vestry_service.server import Listener, run, serve


async def _slow(request: web.Request) -> web.Response:
    await asyncio.sleep(float(request.query["seconds"]))
    return web.Response(text="done")


async def _serve() -> None:
    logger, metrics, health = make_logger("small", "1", "info"), Metrics("small", "1"), Health()
    public, internal = make_app(logger, metrics), make_app(logger, metrics)
    public.router.add_get("/slow", _slow)
    for app in (public, internal):
        app.add_routes(health.routes())

    def started(public_port: int, internal_port: int) -> None:
        print(public_port, internal_port, file=sys.stderr, flush=True)

    await serve(
        Listener(public, ["127.0.0.1"], int(os.environ.get("PORT", "0")), "PORT"),
        Listener(internal, ["127.0.0.1"], int(os.environ.get("INTERNAL_PORT", "0")), "INTERNAL_PORT"),
        health=health,
        grace=float(os.environ.get("GRACE", "10")),
        started=started,
    )


def main() -> None:
    run(_serve())
