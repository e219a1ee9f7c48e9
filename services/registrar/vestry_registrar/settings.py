"""The registrar's settings (wire contract, section 8)."""

from dataclasses import dataclass

from vestry_registrar.admission import MODES, Mode
from vestry_service.common_settings import ServiceSettings
from vestry_service.limits import Rate
from vestry_service.parsers import choice, postgres_url, rate, whole_number
from vestry_service.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrarSettings(ServiceSettings):
    """What the registrar needs beyond what both do."""

    database_url: str = setting("DATABASE_URL", postgres_url, secret=True)
    registration: Mode = setting("REGISTRATION", choice(*MODES), default="open")  # noqa: RUF009
    limit_register: Rate | None = setting("LIMIT_REGISTER", rate, default=Rate(1000, 3600))  # noqa: RUF009
    limit_changes: Rate | None = setting("LIMIT_CHANGES", rate, default=Rate(300, 3600))  # noqa: RUF009
    limit_failed_proofs: Rate | None = setting("LIMIT_FAILED_PROOFS", rate, default=Rate(1000, 60))  # noqa: RUF009
    max_keys_per_agent: int = setting("MAX_KEYS_PER_AGENT", whole_number(1, 100), default=8)
    max_rotation_overlap: int = setting("MAX_ROTATION_OVERLAP", whole_number(0, 31_536_000), default=604_800)
    key_proof: str = setting("KEY_PROOF", choice("optional", "required"), default="optional")
    body_binding: str = setting("BODY_BINDING", choice("optional", "required"), default="optional")
