"""The verifier's settings (wire contract, section 8). It has no database, and so no variable for one."""

from dataclasses import dataclass

from vestry_service.common_settings import INTERNAL_PORT, ServiceSettings
from vestry_service.parsers import http_url, port
from vestry_service.settings import Environment, Variable, computed, setting

_REGISTRAR_URL = Variable("REGISTRAR_URL", http_url, default=None)


def _registrar_url(env: Environment) -> str:
    return env.get(_REGISTRAR_URL) or f"http://127.0.0.1:{env.get(INTERNAL_PORT)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierSettings(ServiceSettings):
    """What the verifier needs beyond what both do.

    Attributes:
        registrar_url: where the registrar's internal port answers.
        tool_fqdn_regex: pattern of foreign agent hosts that are believed, or None.
    """

    verifier_port: int = setting("VERIFIER_PORT", port, default=4000)
    verifier_internal_port: int = setting("VERIFIER_INTERNAL_PORT", port, default=4001)
    registrar_url: str = computed(_registrar_url)
    tool_fqdn_regex: str | None = setting("TOOL_FQDN_REGEX", str, default=None, older="PROVIDER_FQDN_REGEX")
