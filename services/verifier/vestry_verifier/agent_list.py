"""A list of agents as an operator writes it: uids of ours, and hosts of others.

An entry counts for one kind of agents alone. A foreign authority can thus not publish itself into a list by a host
that is spelled like one of our uids.
"""

from collections.abc import Sequence
from typing import NamedTuple

from vestry_service.trust import Signer
from vestry_signatures.agent_url import AGENT_UID
from vestry_verifier.host_pattern import HostPattern, read_host_pattern


class AgentList(NamedTuple):
    """Some agents.

    Attributes:
        uids: of ours.
        hosts: of others.
    """

    uids: frozenset[str] = frozenset()
    hosts: tuple[HostPattern, ...] = ()

    def has(self, signer: Signer) -> bool:
        """Tell whether an agent is on the list. Who has a mere path of a host is not that host."""
        return self.concerns(signer) and not ("/" in signer.uid and signer.foreign)

    def concerns(self, signer: Signer) -> bool:
        """Tell whether an agent is on the list, or has a path of a host that is."""
        if signer.foreign:
            authority = signer.uid.partition("/")[0]
            return any(host.matches(authority) for host in self.hosts)
        return signer.uid in self.uids


def agent_list(entries: Sequence[str | HostPattern]) -> AgentList:
    """Make a list of entries."""
    uids = frozenset(entry for entry in entries if isinstance(entry, str))
    return AgentList(uids, tuple(entry for entry in entries if isinstance(entry, HostPattern)))


def read_entry(text: str) -> str | HostPattern:
    """Read one entry. Raises ValueError for what is neither, with a sentence that says what is accepted."""
    uid = text.lower()
    if AGENT_UID.fullmatch(uid):
        return uid
    if uid.startswith("agent-") and "." not in uid:
        raise ValueError("must be agent- and 24 digits from 0-9 and a-f, or a host")
    return read_host_pattern(text)
