"""A list of agents as an operator writes it:

    agent-0123456789abcdef01234567     one of ours, by its uid
    bots.example, *.bots.example:8443  foreign ones, by their host (`host_pattern`)
    shared.example/team/keys.json      a foreign one whose keys are at a path of a host that others share

1. An entry counts for one kind of agents alone. A foreign authority can thus not publish itself into a list by a host
   that is spelled like one of our uids.
2. The uid of a foreign agent is its host where the keys are the host's own, else host and path
   (`foreign.identifier`). The host is compared, and never the end of a path that a stranger chose.
3. Who allows a host means whoever the host itself stands for; who denies one means everybody there.
4. Whatever spelling an entry has, it is compared in the one in which agents are named (`foreign.url`): what is denied
   as `shared.example/%7eteam` is `shared.example/~team`. The well-known path of a host means the host.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from vestry_service.trust import Signer
from vestry_signatures.agent_url import AGENT_UID, WELL_KNOWN_PATH
from vestry_signatures.errors import InvalidSignatureAgent
from vestry_verifier.foreign.url import parse_url
from vestry_verifier.host_pattern import HostPattern, read_authority, read_host_pattern

_FORM: Final = "must be the uid of an agent, a host, or host/path"


class AgentList(NamedTuple):
    """Some agents.

    Attributes:
        uids: of ours.
        hosts: of others.
        paths: uids of others that are a host and a path.
    """

    uids: frozenset[str] = frozenset()
    hosts: tuple[HostPattern, ...] = ()
    paths: frozenset[str] = frozenset()

    def allows(self, signer: Signer) -> bool:
        """Tell whether an agent is on the list, read as one of those who may."""
        return self._has(signer, everybody_there=False)

    def denies(self, signer: Signer) -> bool:
        """Tell whether an agent is on the list, read as one of those who may not."""
        return self._has(signer, everybody_there=True)

    def _has(self, signer: Signer, *, everybody_there: bool) -> bool:
        if not signer.foreign:  # (1)
            return signer.uid in self.uids
        if signer.uid in self.paths:
            return True
        host, path, _ = signer.uid.partition("/")  # (2)
        return (everybody_there or not path) and any(each.matches(host) for each in self.hosts)  # (3)


def agent_list(entries: Sequence[str | HostPattern]) -> AgentList:
    """Make a list of what `read_entry` returned."""
    texts = frozenset(entry for entry in entries if isinstance(entry, str))
    paths = frozenset(text for text in texts if "/" in text)
    return AgentList(
        texts - paths, tuple(entry for entry in entries if isinstance(entry, HostPattern)), paths
    )


def read_entry(text: str) -> str | HostPattern:
    """Read one entry. Raises ValueError for what is none, with a sentence that says what is accepted."""
    uid = text.lower()
    if AGENT_UID.fullmatch(uid):
        return uid
    if uid.startswith("agent-") and "." not in uid:
        raise ValueError("must be agent- and 24 digits from 0-9 and a-f, or a host")
    host, slash, path = text.partition("/")
    if not slash:
        return read_host_pattern(text)
    return _read_path(read_authority(host, _FORM), path)


def _read_path(host: str, path: str) -> str | HostPattern:
    """Read an entry with a path, and give it the spelling in which agents are named (4)."""
    try:
        url = parse_url(f"https://{host}/{path}")
    except InvalidSignatureAgent:
        raise ValueError(f"{_FORM}, as they stand in a URL") from None
    if not path or path.startswith("/") or url.path == "/" or url.query is not None:
        raise ValueError(f"{_FORM}, without a query")
    return read_host_pattern(url.authority) if url.path == WELL_KNOWN_PATH else f"{url.authority}{url.path}"
