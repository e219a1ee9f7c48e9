"""`python -m vestry_registrar`: bring the database up to date, then run one registrar until SIGTERM.

It runs in as many processes as WORKERS says; the database is brought up to date before, once.
"""

import time
from typing import Final

from vestry_registrar.app import open_registrar
from vestry_registrar.migrate import MigrationError, migrate
from vestry_registrar.settings import RegistrarSettings
from vestry_service.errors import StartError
from vestry_service.logging import Logger
from vestry_service.server import Listener, serve
from vestry_service.sockets import Place
from vestry_service.start import Basis, Program, start
from vestry_service.worker import Worker
from vestry_signatures.errors import DatabaseUnavailable

PATIENCE: Final = 1.0
"""Seconds between two attempts to reach a database that is away."""


def main() -> None:
    """Read the environment, migrate, serve. What is wrong ends the start with one message."""
    start(Program("registrar", "vestry_registrar", RegistrarSettings, _places, _migrate, _serve))


def _places(settings: RegistrarSettings) -> tuple[Place, Place]:
    return (
        Place(settings.bind, settings.port, "PORT"),
        Place(settings.internal_bind, settings.internal_port, "INTERNAL_PORT"),
    )


def _migrate(settings: RegistrarSettings, logger: Logger) -> None:
    """Wait for the database and migrate it. Nothing listens yet, so nothing is kept waiting by it."""
    waiting = False
    while True:
        try:
            applied = migrate(settings.database_url)
        except DatabaseUnavailable:
            if not waiting:
                logger.warning("waiting for the database")
            waiting = True
            time.sleep(PATIENCE)
        except MigrationError as error:
            raise StartError(str(error)) from error
        else:
            logger.info("database ready", migrations_applied=applied)
            return


async def _serve(settings: RegistrarSettings, basis: Basis, worker: Worker | None) -> None:
    public, internal = _places(settings)
    async with open_registrar(settings, *basis) as registrar:
        await serve(
            Listener(registrar.public, *public),
            Listener(registrar.internal, *internal),
            health=registrar.health,
            reuse_port=worker is not None,
            started=None if worker is None else worker.listens,
        )


if __name__ == "__main__":
    main()
