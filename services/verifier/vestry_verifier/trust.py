"""Who may be believed: the agents of our own registrar, and foreign ones as far as the operator admits them.

1. What can be one of ours is ours, in whatever spelling, and goes no further.
2. Anybody else is reduced to one identifier by the drafts that are accepted (`foreign.identifier`).
3. His whole host[:port] must be admitted: by the rules of the tool that asks, where it has some; else by
   `TOOL_FQDN_REGEX`. Without either nobody foreign is believed.
4. And it must be admitted for the profile that the signature meets. `TOOL_FQDN_REGEX` admits for `web-bot-auth`
   alone, since in a signature of the profile `vestauth` anybody can exchange Signature-Agent.

All of it is pure: whoever is refused here is never contacted.
"""

from functools import lru_cache
from typing import Final

from vestry_service.trust import OwnAgents, Signer
from vestry_signatures import Claim
from vestry_signatures.errors import UntrustedSignatureAgent
from vestry_signatures.fields import Token
from vestry_signatures.signature_agent import AgentMember
from vestry_verifier.foreign.admission import HostRegex
from vestry_verifier.foreign.identifier import Identifiers, directory_of
from vestry_verifier.tool_policy import ToolPolicy

WEB_BOT_AUTH: Final = "web-bot-auth"
_REMEMBERED: Final = 256  # characters; strangers choose the path, so longer URLs are not kept


class Trusted:
    """Trust for every tool."""

    def __init__(self, own: OwnAgents, identifiers: Identifiers, admitted: HostRegex | None = None) -> None:
        """Take our own agents, who reads the names of others, and whom the settings admit of them."""
        self.own = own
        self._identifiers = identifiers
        self._admitted = admitted
        self._remembered = lru_cache(maxsize=4096)(self._identified)

    def by(self, tool: ToolPolicy) -> "ToolTrust":
        """Return whom a tool believes."""
        return ToolTrust(self, tool)

    def foreign(self, member: AgentMember) -> Signer:
        """Reduce a member that is none of ours to one identifier (2). Raises as `Identifiers.identify` does."""
        parameters = member.parameters
        kind = parameters.get("type")
        is_plain = not parameters or (len(parameters) == 1 and isinstance(kind, Token))
        if is_plain and len(member.value) <= _REMEMBERED:
            return self._remembered(member.value, member.is_token, None if kind is None else str(kind))
        return self._identifiers.identify(member)

    def admits(self, authority: str, profile: str, tool: ToolPolicy) -> bool:
        """Tell whether a tool believes a foreign host[:port] for a profile (3, 4)."""
        if tool.foreign is not None:
            rule = tool.foreign_rule(authority)
            return rule is not None and profile in rule.profiles
        return self._admitted is not None and profile == WEB_BOT_AUTH and self._admitted.matches(authority)

    def believes_anybody(self, tool: ToolPolicy) -> bool:
        """Tell whether any foreign host may be believed by a tool at all."""
        return bool(tool.foreign) if tool.foreign is not None else self._admitted is not None

    def _identified(self, value: str, is_token: bool, kind: str | None) -> Signer:
        parameters = {} if kind is None else {"type": Token(kind)}
        return self._identifiers.identify(AgentMember(value, is_token, parameters))


class ToolTrust:
    """`Trust` as one tool has it."""

    __slots__ = ("_tool", "_trusted")

    def __init__(self, trusted: Trusted, tool: ToolPolicy) -> None:
        self._trusted = trusted
        self._tool = tool

    def signer_of(self, claimed: Claim) -> Signer:
        try:
            return self._trusted.own.signer_of(claimed)  # (1)
        except UntrustedSignatureAgent:
            if claimed.agent is None or not self._trusted.believes_anybody(self._tool):
                raise
        signer = self._trusted.foreign(claimed.agent)  # (2)
        authority = directory_of(signer.directory_url).authority
        if not self._trusted.admits(authority, claimed.profile, self._tool):  # (3), (4)
            raise UntrustedSignatureAgent
        return signer
