"""What each service does first: read the environment, make its logger and its metrics."""

import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import NamedTuple, TypeVar

from vestry_service.common_settings import ServiceSettings
from vestry_service.logging import Logger, adopt_stdlib, make_logger
from vestry_service.metrics import Metrics
from vestry_service.settings import load

S = TypeVar("S", bound=ServiceSettings)

VERSION = version("vestry")


class Basis(NamedTuple):
    """What a service stands on."""

    logger: Logger
    metrics: Metrics


def read_settings(cls: type[S], environ: Mapping[str, str]) -> S:
    """Read the settings once. Raises SettingsError, which names every problem in one message."""
    return load(cls, environ)


def make_basis(service: str, settings: ServiceSettings) -> Basis:
    """Make the logger, also for libraries, and the metrics of a service; log what was odd about its settings."""
    logger = make_logger(service, VERSION, settings.log_level, settings.log_format, sys.stdout.buffer)
    adopt_stdlib(logger, settings.log_level)
    for warning in settings.warnings:
        logger.warning(warning)
    return Basis(logger, Metrics(service, VERSION))
