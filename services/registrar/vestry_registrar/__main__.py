"""`python -m vestry_registrar`: bring the database up to date, then run one registrar until SIGTERM."""

import os
import signal
import sys
import time
from typing import Final

from vestry_registrar.app import open_registrar
from vestry_registrar.migrate import MigrationError, migrate
from vestry_registrar.settings import RegistrarSettings
from vestry_service.errors import StartError
from vestry_service.logging import Logger
from vestry_service.server import Listener, run, serve
from vestry_service.start import Basis, make_basis, read_settings
from vestry_signatures.errors import DatabaseUnavailable

PATIENCE: Final = 1.0
"""Seconds between two attempts to reach a database that is away."""


def main() -> None:
    """Read the environment, migrate, serve. What is wrong ends the start with one message."""
    try:
        settings = read_settings(RegistrarSettings, os.environ)
        basis = make_basis("registrar", settings)
        # As the first process of a container we have no default: the kernel would ignore the signal.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        _migrate(settings, basis.logger)
    except StartError as error:
        sys.exit(str(error))
    run(_serve(settings, basis))


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


async def _serve(settings: RegistrarSettings, basis: Basis) -> None:
    async with open_registrar(settings, *basis) as registrar:
        await serve(
            Listener(registrar.public, settings.bind, settings.port, "PORT"),
            Listener(registrar.internal, settings.internal_bind, settings.internal_port, "INTERNAL_PORT"),
            health=registrar.health,
        )


if __name__ == "__main__":
    main()
