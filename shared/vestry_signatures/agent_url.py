"""Our own agents' URLs: one spelling each, and back from every spelling to the uid.

An agent of ours has the URL `scheme://uid.base-authority`. In a Signature-Agent it may be written with another
scheme, in capitals, with the default port, with a path behind it, as a bare token, or as the path fallback under the
base URL (`base/agents/uid/…`). All of them are reduced to the uid before anything is looked up, kept or answered:
else a second spelling of a revoked agent would be somebody whom nobody has revoked. The scheme is not compared, for
a proxy may have ended TLS; userinfo and a trailing dot are refused.
"""

import re
from functools import lru_cache
from typing import Final

from .errors import InvalidSignatureAgent, InvalidUri, UntrustedSignatureAgent
from .message import Target, parse_target
from .signature_agent import AgentMember

WELL_KNOWN_PATH: Final = "/.well-known/http-message-signatures-directory"
AGENT_UID: Final = re.compile(r"agent-[0-9a-f]{24}", re.ASCII)
_REMEMBERED: Final = 256  # characters; strangers choose the path, so longer URLs are not kept
_FALLBACK: Final = re.compile(r"/agents/(agent-[0-9a-f]{24})(?:/.*)?", re.ASCII)


class AgentUrls:
    """The agent URLs under one base URL."""

    def __init__(self, scheme: str, authority: str) -> None:
        """Take the base URL.

        Args:
            scheme: `http` or `https`.
            authority: host[:port], normalised (`message.normalise_authority`).
        """
        self._scheme = scheme
        self._authority = authority
        self._suffix = f".{authority}"
        self._remembered_uid_in = lru_cache(maxsize=4096)(self._uid_in)

    def uid_of(self, agent: AgentMember) -> str:
        """Reduce a member of Signature-Agent to the uid of an agent of ours.

        Raises:
            InvalidSignatureAgent: it is no URL of an agent at all.
            UntrustedSignatureAgent: it is a URL of somebody else.
        """
        find = self._remembered_uid_in if len(agent.value) <= _REMEMBERED else self._uid_in
        return find(agent.value, agent.is_token)

    def url(self, uid: str) -> str:
        """Write an agent's URL."""
        return f"{self._scheme}://{uid}{self._suffix}"

    def directory_url(self, uid: str) -> str:
        """Write the URL of an agent's key directory."""
        return f"{self._scheme}://{uid}{self._suffix}{WELL_KNOWN_PATH}"

    def uid_of_authority(self, authority: str) -> str | None:
        """Tell which agent a normalised authority belongs to, None where it is no agent's."""
        uid = authority.removesuffix(self._suffix)
        return uid if uid != authority and AGENT_UID.fullmatch(uid) else None

    def _uid_in(self, value: str, is_token: bool) -> str:
        target = self._target(value, is_token)
        if target.authority == self._authority:
            fallback = _FALLBACK.fullmatch(target.path)
            uid = fallback[1] if fallback else None
        else:
            uid = self.uid_of_authority(target.authority)
        if uid is None:
            raise UntrustedSignatureAgent
        return uid

    def _target(self, value: str, is_token: bool) -> Target:
        try:
            target = parse_target(f"{self._scheme}://{value}" if is_token and "://" not in value else value)
        except InvalidUri as error:
            raise InvalidSignatureAgent("Signature-Agent holds no http or https URL of an agent") from error
        if target.authority.partition(":")[0].endswith("."):
            raise InvalidSignatureAgent("the host in Signature-Agent ends with a dot")
        return target
