"""What a service does first: read the environment, make its logger and metrics. Then it serves, alone or as several.

With `WORKERS` above 1 the process that was started becomes a supervisor (workers.py), which starts the same command
again for each worker. Those find out by their environment that they are workers (worker.py), and differ from a
service alone in four things: they share their ports, count together, do not prepare anything, and tell their
supervisor, not the terminal, why they cannot start.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final, NamedTuple, TypeVar

import uvloop

from vestry_service.common_settings import ServiceSettings
from vestry_service.errors import StartError
from vestry_service.logging import Logger, adopt_stdlib, make_logger
from vestry_service.metrics import Metrics
from vestry_service.settings import load
from vestry_service.shared_metrics import count_together
from vestry_service.sockets import Place
from vestry_service.worker import WholeLines, Worker
from vestry_service.workers import supervise

S = TypeVar("S", bound=ServiceSettings)

VERSION = version("vestry")
REFRESH: Final = 1.0
"""Seconds between two looks at what is shown to other processes."""
YOUNG: Final = 10_000
"""New objects, less those that went again, at which Python looks for circles among them; its own choice is 700."""


class Basis(NamedTuple):
    """What a service stands on."""

    logger: Logger
    metrics: Metrics


class Program(NamedTuple):
    """A service as a program.

    Attributes:
        service: its name in logs and metrics.
        package: what `python -m` runs.
        settings: the class of its settings.
        places: where it listens.
        prepare: done once, before anything is served.
        serve: serves until it is told to stop.
        reloads: whether SIGHUP means something to it.
    """

    service: str
    package: str
    settings: type[Any]
    places: Callable[[Any], Sequence[Place]]
    prepare: Callable[[Any, Logger], None]
    serve: Callable[[Any, Basis, Worker | None], Coroutine[Any, Any, None]]
    reloads: Callable[[Any], bool] = lambda _settings: False


def start(program: Program) -> None:
    """Run a service until SIGTERM. What is wrong ends the start with 1, and with one message."""
    worker = Worker.of(os.environ)
    if worker is not None:
        worker.end_with_supervisor()
    # As the first process of a container we have no default: the kernel would ignore the signal.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        _start(program, worker)
    except StartError as error:
        if worker is None:
            sys.exit(str(error))
        worker.cannot_start(str(error))
        sys.exit(1)


def _start(program: Program, worker: Worker | None) -> None:
    settings = read_settings(program.settings, os.environ)
    logger = make_log(program.service, settings, worker)
    if worker is None:
        program.prepare(settings, logger)
    if worker is None and settings.workers > 1:
        # -P: whatever lies in the folder where somebody starts us is not ours to import.
        command = (sys.executable, "-P", "-m", program.package)
        reloads = program.reloads(settings)
        supervise(command, os.environ, settings.workers, program.places(settings), logger, reloads=reloads)
    else:
        _collect_seldom()
        uvloop.run(_serve(program, settings, Basis(logger, make_metrics(program.service, worker)), worker))


def _collect_seldom() -> None:
    """Keep the collector of circles from looking at every request, and ever again at all that was imported.

    Requests in hand are objects enough to start it in nearly each turn of the event loop, and a look at everything
    stops the process for tens of milliseconds. What a request leaves behind goes without it, for nothing circular
    stays but where an error was raised; the larger number lets a few megabytes of that wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


async def _serve(program: Program, settings: ServiceSettings, basis: Basis, worker: Worker | None) -> None:
    refreshing = asyncio.create_task(_refresh(basis.metrics)) if worker is not None else None
    try:
        await program.serve(settings, basis, worker)
    finally:
        if refreshing is not None:
            refreshing.cancel()


async def _refresh(metrics: Metrics) -> None:
    while True:
        metrics.refresh()
        await asyncio.sleep(REFRESH)


def read_settings(cls: type[S], environ: Mapping[str, str]) -> S:
    """Read the settings once. Raises SettingsError, which names every problem in one message."""
    return load(cls, environ)


def make_log(service: str, settings: ServiceSettings, worker: Worker | None = None) -> Logger:
    """Make the logger of a service, also for libraries; log, once, what was odd about its settings."""
    stdout = sys.stdout.buffer
    stream = stdout if worker is None else WholeLines(stdout)
    logger = make_logger(service, VERSION, settings.log_level, settings.log_format, stream)
    adopt_stdlib(logger, settings.log_level)
    for warning in settings.warnings if worker is None else ():
        logger.warning(warning)
    return logger


def make_metrics(service: str, worker: Worker | None = None) -> Metrics:
    """Make the metrics of a service."""
    return Metrics(service, VERSION, together=None if worker is None else count_together(worker))
