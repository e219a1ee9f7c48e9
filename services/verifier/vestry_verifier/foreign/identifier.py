"""From a member of Signature-Agent to the one identifier of a foreign agent and the URL of its keys.

Two generations of drafts read a member differently, and each can be switched (`SIGNATURE_AGENT_DRAFTS`):

meunier-02 (draft-meunier-webbotauth-httpsig-protocol-02, sections 4.2.1 and 4.5). The parameter `type` says what the
value is, `directory` where there is none:
    directory   a bare origin; the keys are at its well-known path. With a path the member is ignored.
    jwks_uri    the value is the URL of a JWK Set.
    others      are ignored.

ietf-01 (draft-ietf-webbotauth-httpsig-protocol, the same sections). The value is itself the URL of a JWK Set, and a
member with parameters is ignored.

Where both are on, a bare origin is read as meunier-02 does, for that is what is deployed; any other value without
parameters as ietf-01 does. A member that nobody reads names no agent (`INVALID_SIGNATURE_AGENT`).

The identifier is the URL without its query. The query is sent when the keys are fetched, and what comes back is kept
under the whole URL: no query puts its keys in the place of another's.

A URL with a path does not name the host: on a shared host anybody may have one. So `uid` is the bare host[:port] only
where the keys are the host's own (its bare origin, its well-known path); for any other URL the path is a part of it.
`agent-…` and `tool-…` are ours alone, and so is everything under the registrar's own host.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final, NamedTuple

from vestry_service.trust import Signer
from vestry_signatures.agent_url import WELL_KNOWN_PATH
from vestry_signatures.errors import InvalidSignatureAgent, UntrustedSignatureAgent
from vestry_signatures.fields import Token
from vestry_signatures.signature_agent import AgentMember
from vestry_verifier.foreign.url import DirectoryUrl, is_loopback_host, parse_url

MEUNIER: Final = "meunier-02"
IETF: Final = "ietf-01"
DRAFTS: Final = (MEUNIER, IETF)
_OURS: Final = re.compile(r"(?:agent|tool)-[0-9a-f]{24}", re.ASCII)


class Directory(NamedTuple):
    """Where the keys of a foreign agent are.

    Attributes:
        url: what is fetched, its query included.
        authority: host[:port].
        is_hosts_own: whether its keys are the host's own, and not those of a tenant of it.
        well_known: whether it is at the well-known path, where `kid` must be the thumbprint.
    """

    url: str
    authority: str
    is_hosts_own: bool
    well_known: bool


class Identifiers:
    """Reads members by the drafts that are switched on."""

    def __init__(self, drafts: Collection[str], base_authority: str) -> None:
        """Take the drafts, and the registrar's authority, under which nobody is foreign."""
        self._drafts = frozenset(drafts)
        self._base = parse_url(f"https://{base_authority}")

    def identify(self, member: AgentMember) -> Signer:
        """Reduce a member to a foreign agent.

        Raises:
            InvalidSignatureAgent: it names no agent by any draft that is switched on.
            UntrustedSignatureAgent: its host can be nobody's but ours.
        """
        has_scheme = not member.is_token or "://" in member.value
        url = parse_url(member.value if has_scheme else f"https://{member.value}")
        if url.scheme != "https" and not is_loopback_host(url.host):
            raise InvalidSignatureAgent("the URL in Signature-Agent must be https")
        if self._is_ours(url):
            raise UntrustedSignatureAgent
        return self._read(url, member)

    def _read(self, url: DirectoryUrl, member: AgentMember) -> Signer:
        kind = _type_of(member)
        is_bare = url.path == "/" and url.query is None
        if MEUNIER in self._drafts:
            if kind == "directory" and is_bare:
                return _origin(url)
            if kind == "jwks_uri":
                return _jwk_set(url)
        if IETF in self._drafts and not member.parameters:
            return _jwk_set(url)
        raise InvalidSignatureAgent("no draft that is accepted here reads this form of Signature-Agent")

    def _is_ours(self, url: DirectoryUrl) -> bool:
        """Tell whether a URL is under the registrar's host; on a developer's machine ports tell services apart."""
        if _OURS.fullmatch(url.host):
            return True
        if is_loopback_host(self._base.host):
            return f".{url.authority}".endswith(f".{self._base.authority}")
        return f".{url.host}".endswith(f".{self._base.host}")


def _type_of(member: AgentMember) -> str | None:
    """Say what `type` a member has (a Token); None where it is something else."""
    kind = member.parameters.get("type", Token("directory"))
    return str(kind) if isinstance(kind, Token) else None


def _origin(url: DirectoryUrl) -> Signer:
    return Signer(url.authority, url.origin, f"{url.origin}{WELL_KNOWN_PATH}", foreign=True)


def _jwk_set(url: DirectoryUrl) -> Signer:
    uid = url.authority if _is_hosts_own(url) else f"{url.authority}{url.path}"
    return Signer(uid, url.without_query, url.full, foreign=True)


def _is_hosts_own(url: DirectoryUrl) -> bool:
    return url.query is None and url.path in {"/", WELL_KNOWN_PATH}


@lru_cache(maxsize=4096)
def directory_of(url: str) -> Directory:
    """Return the directory at a URL that `Identifiers` has made."""
    parts = parse_url(url)
    return Directory(parts.full, parts.authority, _is_hosts_own(parts), parts.path == WELL_KNOWN_PATH)
