"""`python -m vestry_verifier`: run one verifier until SIGTERM."""

import os
import sys

from vestry_service.errors import StartError
from vestry_service.server import Listener, run, serve
from vestry_service.start import Basis, make_basis, read_settings
from vestry_verifier.app import open_verifier
from vestry_verifier.settings import VerifierSettings


def main() -> None:
    """Read the environment and serve. A setting that is wrong ends the start with one message."""
    try:
        settings = read_settings(VerifierSettings, os.environ)
    except StartError as error:
        sys.exit(str(error))
    run(_serve(settings, make_basis("verifier", settings)))


async def _serve(settings: VerifierSettings, basis: Basis) -> None:
    async with open_verifier(settings, *basis) as verifier:
        await serve(
            Listener(verifier.public, settings.bind, settings.verifier_port, "VERIFIER_PORT"),
            Listener(
                verifier.internal,
                settings.internal_bind,
                settings.verifier_internal_port,
                "VERIFIER_INTERNAL_PORT",
            ),
            health=verifier.health,
        )


if __name__ == "__main__":
    main()
