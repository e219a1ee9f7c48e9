"""`python -m vestry_verifier`: run one verifier until SIGTERM, in as many processes as WORKERS says."""

from vestry_service.logging import Logger
from vestry_service.server import Listener, serve
from vestry_service.sockets import Place
from vestry_service.start import Basis, Program, start
from vestry_service.worker import Worker
from vestry_verifier.app import open_verifier
from vestry_verifier.settings import VerifierSettings


def main() -> None:
    """Read the environment and serve. A setting that is wrong ends the start with one message."""
    start(Program("verifier", "vestry_verifier", VerifierSettings, _places, _prepare, _serve, _reloads))


def _places(settings: VerifierSettings) -> tuple[Place, Place]:
    return (
        Place(settings.bind, settings.verifier_port, "VERIFIER_PORT"),
        Place(settings.internal_bind, settings.verifier_internal_port, "VERIFIER_INTERNAL_PORT"),
    )


def _prepare(_settings: VerifierSettings, _logger: Logger) -> None:
    """Nothing: it has no database."""


def _reloads(settings: VerifierSettings) -> bool:
    return settings.tools_file is not None


async def _serve(settings: VerifierSettings, basis: Basis, worker: Worker | None) -> None:
    public, internal = _places(settings)
    async with open_verifier(settings, *basis) as verifier:
        await serve(
            Listener(verifier.public, *public),
            Listener(verifier.internal, *internal),
            health=verifier.health,
            reuse_port=worker is not None,
            started=None if worker is None else worker.listens,
            reload=None if verifier.keeper is None else verifier.keeper.renew,
        )


if __name__ == "__main__":
    main()
