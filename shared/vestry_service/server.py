"""Two applications on ports of their own in one process, from start to an orderly end.

On SIGTERM or SIGINT: (1) readiness answers 503, so that balancers stop sending; (2) the public port stops accepting;
(3) what is in flight there finishes; (4) then the same for the internal port, which until then tells that we
are draining; (5) the process ends with 0.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from math import inf
from typing import Any, Final, NamedTuple

import uvloop
from aiohttp import web

from vestry_service.app import LOGGER
from vestry_service.errors import StartError
from vestry_service.health import Health
from vestry_service.open_files import room_for_connections
from vestry_service.protocol import Runner
from vestry_service.sockets import listening

GRACE: Final = 10.0  # seconds


class Listener(NamedTuple):
    """An application and where it listens.

    Attributes:
        app: made by `vestry_service.app.make_app`.
        addresses: IP addresses and `localhost`; none means every address.
        port: 0 takes any free one.
        variable: the setting that is named when the port cannot be had.
    """

    app: web.Application
    addresses: Sequence[str]
    port: int
    variable: str


async def serve(
    public: Listener,
    internal: Listener,
    *,
    health: Health,
    grace: float = GRACE,
    reuse_port: bool = False,
    stop: asyncio.Event | None = None,
    started: Callable[[int, int], None] | None = None,
    reload: Callable[[], None] | None = None,
) -> None:
    """Serve both applications until SIGTERM, SIGINT or `stop`, then finish what is in flight.

    Args:
        public: for the world.
        internal: metrics, health and questions inside a deployment; stops last.
        health: told to drain when the end begins.
        grace: seconds that requests in flight may still take.
        reuse_port: let several processes share both ports.
        stop: set it to end without a signal.
        started: called with the public and the internal port once both answer.
        reload: called at SIGHUP; without it the signal ends the process, as it does any program at a terminal.

    Raises:
        StartError: a port cannot be had, or an application cannot start.
    """
    stop = stop or asyncio.Event()
    logger = public.app[LOGGER]
    async with AsyncExitStack() as stack:
        _stop_on_signals(stop, stack)
        if reload is not None:
            _on_signal(signal.SIGHUP, reload, stack)
        internal_port = await _start(internal, stack, grace, reuse_port=reuse_port)
        public_port = await _start(public, stack, grace, reuse_port=reuse_port, most=room_for_connections())
        stack.callback(health.drain)  # (1): the stack unwinds in the order of the docstring
        logger.info("listening", port=public_port, internal_port=internal_port)
        if started is not None:
            started(public_port, internal_port)
        await stop.wait()
        logger.info("draining")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` on uvloop. A service that cannot start says why in one line and ends with 1."""
    try:
        uvloop.run(main)
    except StartError as error:
        sys.exit(str(error))


async def _start(
    listener: Listener, stack: AsyncExitStack, grace: float, *, reuse_port: bool, most: float = inf
) -> int:
    sockets = listening(listener.addresses, listener.port, variable=listener.variable, reuse_port=reuse_port)
    for sock in sockets:
        stack.callback(sock.close)
    # aiohttp waits twice for this long: for handlers, and again after it has cut off unread bodies.
    runner = Runner(listener.app, most=most, shutdown_timeout=grace / 2)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    for sock in sockets:
        await web.SockSite(runner, sock, backlog=1024).start()
    port: int = sockets[0].getsockname()[1]
    return port


def _stop_on_signals(stop: asyncio.Event, stack: AsyncExitStack) -> None:
    """Set `stop` at the first signal; more of them while draining change nothing."""
    for number in (signal.SIGTERM, signal.SIGINT):
        _on_signal(number, stop.set, stack)


def _on_signal(number: signal.Signals, call: Callable[[], None], stack: AsyncExitStack) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, call)
    stack.callback(loop.remove_signal_handler, number)
