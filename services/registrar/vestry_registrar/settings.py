"""The registrar's settings (wire contract, section 8)."""

from dataclasses import dataclass

from vestry_registrar.admission import MODES, Mode
from vestry_service.common_settings import ServiceSettings
from vestry_service.parsers import choice, postgres_url
from vestry_service.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrarSettings(ServiceSettings):
    """What the registrar needs beyond what both do."""

    database_url: str = setting("DATABASE_URL", postgres_url, secret=True)
    registration: Mode = setting("REGISTRATION", choice(*MODES), default="open")  # noqa: RUF009
