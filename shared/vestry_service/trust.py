"""Who may be believed: from what a signature claims to the one spelling of the agent it names.

Nothing is looked up, kept or answered about an agent before it has been reduced to a `Signer` here; and a host that
is not admitted here is never contacted.
"""

from functools import lru_cache
from typing import NamedTuple, Protocol

from vestry_signatures import Claim
from vestry_signatures.agent_url import AgentUrls
from vestry_signatures.errors import UnknownKey


class Signer(NamedTuple):
    """An agent, in its one spelling.

    Attributes:
        uid: `agent-…` for one of ours, else the whole host[:port]; with a path behind it where the keys are not the
            host's own, but those of somebody who has that path of it.
        url: its agent URL.
        directory_url: where its keys are published.
        foreign: whether it is another authority's, and not ours.
    """

    uid: str
    url: str
    directory_url: str
    foreign: bool = False


class Trust(Protocol):
    """Decides who may be believed. Pure: no look-up of any kind."""

    def signer_of(self, claimed: Claim) -> Signer:
        """Reduce the agent that a claim names.

        Raises:
            UnknownKey: it names none.
            InvalidSignatureAgent: what it names is no URL of an agent at all.
            UntrustedSignatureAgent: it names somebody who is not believed here.
        """
        ...


class OwnAgents:
    """`Trust` in the agents of our own registrar, and in nobody else."""

    def __init__(self, agents: AgentUrls) -> None:
        self._agents = agents
        self.signer = lru_cache(maxsize=4096)(self._signer)

    def signer_of(self, claimed: Claim) -> Signer:
        if claimed.agent is None:
            raise UnknownKey
        return self.signer(self._agents.uid_of(claimed.agent))

    def _signer(self, uid: str) -> Signer:
        return Signer(uid, self._agents.url(uid), self._agents.directory_url(uid))
