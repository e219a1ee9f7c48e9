"""The order of things: stores, services, wait, greet, watch; and back in the opposite order.

Whatever ends the run, an error, a signal or the parent's end, everything that was started is stopped on
the way out: verifier, registrar, Valkey, Postgres.
"""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from vestry.embedded import CannotStart, DataDir, Postgres, Valkey
from vestry.stack.greeting import greeting
from vestry.stack.interrupt import Interrupt
from vestry.stack.plan import ROLES, Role, services
from vestry.stack.service import Service
from vestry.stack.settings import StackSettings
from vestry_service.errors import StartError
from vestry_service.sockets import listening

READY_WITHIN = 120.0  # seconds
_TURN = 0.1  # seconds between two looks at everything
_SILENCE = 2.0  # seconds in which nobody wonders yet

Part = Postgres | Valkey | Service


class _Interrupted(Exception):
    """Somebody wants us to stop before everything is up."""


def say(line: str) -> None:
    """Tell the person at the terminal. Nobody there is no reason to fail."""
    with contextlib.suppress(OSError):
        print(line, flush=True)  # noqa: T201 - this is a command


def run(
    settings: StackSettings,
    environ: Mapping[str, str],
    *,
    with_parent: bool = False,
    roles: Sequence[Role] = ROLES,
    tell: Callable[[str], None] = say,
) -> None:
    """Run everything until somebody wants it to stop.

    Args:
        settings: of the whole.
        environ: what the services are told, but for what is filled in here.
        with_parent: stop when the process that started us ends.
        roles: the services.
        tell: is given progress, a line at a time.

    Raises:
        CannotStart: a part did not come up, or ended by itself; everything else is stopped by then.
    """
    _refuse_taken_ports(settings)
    children: list[Service] = []
    with (
        Interrupt(with_parent=with_parent, hurry=lambda: _hurry(children)) as interrupt,
        ExitStack() as exits,
    ):
        exits.callback(tell, "stopped")
        stores = _start_stores(settings, exits, interrupt, tell)
        urls = {name: store.url for name, store in stores.items()}
        children += services(roles, settings, environ, urls)
        for child in children:
            _start(child, exits, interrupt, tell)
        with contextlib.suppress(_Interrupted):
            _await_ready(children, interrupt, tell)
            tell(greeting(settings))
            for child in children:
                child.aloud = True
            _watch([*stores.values(), *children], interrupt)
        tell("")


def _refuse_taken_ports(settings: StackSettings) -> None:
    """Try every port before anything is started, so that this is one line and not a half-started stack."""
    for variable, port in settings.ports.items():
        bind = settings.internal_bind if "INTERNAL" in variable else settings.bind
        try:
            for sock in listening(bind, port, variable=variable):
                sock.close()
        except StartError as error:
            raise CannotStart(str(error)) from error


def _start_stores(
    settings: StackSettings, exits: ExitStack, interrupt: Interrupt, tell: Callable[[str], None]
) -> dict[str, Postgres | Valkey]:
    stores: dict[str, Postgres | Valkey] = {}
    if settings.own_database or settings.own_redis:
        data_dir = exits.enter_context(DataDir(settings.data_dir, tell=tell))
        if settings.own_database:
            stores["DATABASE_URL"] = Postgres(data_dir)
        if settings.own_redis:
            stores["REDIS_URL"] = Valkey(data_dir)
    for store in stores.values():
        _start(store, exits, interrupt, tell)
        if store.note:
            tell(store.note)
    return stores


def _start(part: Part, exits: ExitStack, interrupt: Interrupt, tell: Callable[[str], None]) -> None:
    if interrupt.wanted:
        return
    tell(f"starting {part.name}")
    exits.callback(_stop, part, tell)
    part.start()


def _stop(part: Part, tell: Callable[[str], None]) -> None:
    if part.running:
        tell(f"stopping {part.name}")
    part.stop()


def _await_ready(children: Sequence[Service], interrupt: Interrupt, tell: Callable[[str], None]) -> None:
    """Wait; from `_SILENCE` on, say what for, whenever that changes."""
    began = time.monotonic()
    told: dict[str, str] = {}
    waiting = {child.name: child for child in children}
    while waiting:
        _refuse_dead(children, interrupt)
        if interrupt.wanted:
            raise _Interrupted
        passed = time.monotonic() - began
        for name, child in list(waiting.items()):
            failing = child.failing()
            if failing is None:
                tell(f"{name} is ready")
                del waiting[name]
            elif passed > _SILENCE and failing != told.get(name):
                tell(f"waiting for {name}: {failing}")
                told[name] = failing
        if passed > READY_WITHIN:
            raise CannotStart(f"not ready after {READY_WITHIN:.0f} s: {', '.join(waiting)}")
        time.sleep(_TURN)


def _watch(parts: Sequence[Part], interrupt: Interrupt) -> None:
    while not interrupt.wanted:
        _refuse_dead(parts, interrupt)
        time.sleep(_TURN)


def _refuse_dead(parts: Sequence[Part], interrupt: Interrupt) -> None:
    for part in parts:
        # Whoever wants all to stop may have stopped some already.
        if not part.running and not interrupt.wanted:
            raise part.obituary()


def _hurry(children: Sequence[Service]) -> None:
    for child in children:
        child.hurry()
