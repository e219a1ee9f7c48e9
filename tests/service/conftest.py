"""An application as it is served in earnest."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from aiohttp import web

from raw_http import Served
from service_log import Log
from vestry_service.app import make_app
from vestry_service.metrics import Metrics
from vestry_service.protocol import Runner

Serve = Callable[[web.Application], Awaitable[Served]]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("registrar", "1.2.3")


@pytest.fixture
def app(log: Log, metrics: Metrics) -> web.Application:
    """An application of ours without routes."""
    return make_app(log.logger, metrics)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve an application on a free port with the connection handling of a real service."""
    runners: list[Runner] = []

    async def start(app: web.Application) -> Served:
        runner = Runner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return Served(site.port)

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
def stdlib() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
