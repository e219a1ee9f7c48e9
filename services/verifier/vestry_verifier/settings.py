"""The verifier's settings (wire contract, section 8). It has no database, and so no variable for one."""

from dataclasses import dataclass
from ipaddress import ip_address

from vestry_service.common_settings import INTERNAL_PORT, ServiceSettings
from vestry_service.parsers import choices, http_url, listed, network, port
from vestry_service.requests import Network
from vestry_service.settings import Environment, Variable, computed, setting
from vestry_verifier.foreign.admission import HostRegex
from vestry_verifier.foreign.identifier import DRAFTS

_REGISTRAR_URL = Variable("REGISTRAR_URL", http_url, default=None)


def _registrar_url(env: Environment) -> str:
    return env.get(_REGISTRAR_URL) or f"http://127.0.0.1:{env.get(INTERNAL_PORT)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierSettings(ServiceSettings):
    """What the verifier needs beyond what both do.

    Attributes:
        tools_file: path of the file of tools, or None where everybody may ask.
        registrar_url: where the registrar's internal port answers.
        tool_fqdn_regex: which foreign agent hosts are believed, or None.
        signature_agent_drafts: by whose rules a foreign Signature-Agent is read.
        fetch_allow_private: networks that are not public, and may be connected to for a directory.
    """

    verifier_port: int = setting("VERIFIER_PORT", port, default=4000)
    verifier_internal_port: int = setting("VERIFIER_INTERNAL_PORT", port, default=4001)
    tools_file: str | None = setting("TOOLS_FILE", str, default=None)
    registrar_url: str = computed(_registrar_url)
    tool_fqdn_regex: HostRegex | None = setting(  # noqa: RUF009 - a field like the others
        "TOOL_FQDN_REGEX", HostRegex, default=None, older="PROVIDER_FQDN_REGEX"
    )
    signature_agent_drafts: tuple[str, ...] = setting(
        "SIGNATURE_AGENT_DRAFTS", choices(*DRAFTS), default=DRAFTS
    )
    fetch_allow_private: tuple[Network, ...] = setting("FETCH_ALLOW_PRIVATE", listed(network), default=())

    @property
    def is_loopback_only(self) -> bool:
        """Whether the public port can be reached from this machine alone."""
        return bool(self.bind) and all(
            address == "localhost" or ip_address(address).is_loopback for address in self.bind
        )
