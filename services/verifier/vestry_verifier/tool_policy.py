"""What one tool accepts of the requests that it asks about.

In the order in which it is asked (docs/operators/tools-file.md says it for operators):

1. `require_own`: a tool may ask about requests to its own authorities and to nobody else's. Otherwise whoever runs
   one tool could have a request that was made to another one judged, and thereby used up.
2. `signatures` and `require_covered`: profile, algorithm, time and nonce, and what must be covered besides. Each
   signature is judged by itself.
3. `require_admitted`: whether this agent may call. Asked only of one that has proven to be it, so a stranger does not
   learn who is on a list; and before its nonce is spent, so what is refused here leaves nothing behind.
4. the rate, looked at before the nonce is spent (`rates.py`), and the bound on the nonces themselves, which is kept
   where they are.

A tool that observes is told all of this and refused nothing; its signatures are spent all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from secrets import token_urlsafe

from vestry_service.errors import AgentNotAllowed
from vestry_service.limits import Rate
from vestry_service.replay_bound import Bound
from vestry_service.trust import Signer
from vestry_service.verification import Question
from vestry_signatures import Claim, Policy
from vestry_signatures.accept import accept_signature
from vestry_signatures.components import Component
from vestry_signatures.coverage import require_covered
from vestry_signatures.errors import WrongAuthority
from vestry_verifier.agent_list import AgentList
from vestry_verifier.host_pattern import HostPattern


@dataclass(frozen=True, slots=True)
class ForeignRule:
    """Some foreign hosts, and what a signature of theirs must satisfy.

    Attributes:
        hosts: whom it is about.
        profiles: those that they may use.
    """

    hosts: tuple[HostPattern, ...]
    profiles: frozenset[str]

    def is_about(self, authority: str) -> bool:
        """Tell whether a normalised host[:port] is meant."""
        return any(host.matches(authority) for host in self.hosts)


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """One tool and its rules.

    Attributes:
        name: how the operator calls it.
        signatures: what a signature must satisfy.
        authorities: (scheme, authority) pairs it may ask about, None for any.
        required: components that a signature must cover.
        required_with_body: those it must cover besides, unless the body is known to be empty.
        observes: whether it is told what would be refused, and nothing is.
        allow: who may call, None for everybody.
        deny: who may not, whatever `allow` says.
        foreign: rules for foreign hosts, the first that is about a host counts and no other host is believed;
            None where the settings decide.
        rate: how often one agent may call, None for as often as it likes.
        bound: how many unexpired nonces one key may have.
        may_explain: whether it may ask for every detail of a check.
    """

    name: str
    signatures: Policy
    authorities: frozenset[tuple[str, str]] | None = None
    required: tuple[Component, ...] = ()
    required_with_body: tuple[Component, ...] = ()
    observes: bool = False
    allow: AgentList | None = None
    deny: AgentList = field(default_factory=AgentList)
    foreign: tuple[ForeignRule, ...] | None = None
    rate: Rate | None = None
    bound: Bound | None = None
    may_explain: bool = False

    def require_own(self, question: Question) -> None:
        """Raise WrongAuthority where a request was made to somebody else (1)."""
        target = question.request.target
        if self.authorities is not None and (target.scheme, target.authority) not in self.authorities:
            raise WrongAuthority

    def require_covered(self, claimed: Claim, question: Question) -> None:
        """Raise InsufficientCoverage where a signature covers too little for this tool (2)."""
        required = self._required(question)
        if required:
            require_covered(claimed.signature.covered, required)

    def require_admitted(self, signer: Signer) -> None:
        """Raise AgentNotAllowed where an agent that has proven who it is may not call (3)."""
        if self.deny.denies(signer) or (self.allow is not None and not self.allow.allows(signer)):
            raise AgentNotAllowed

    def foreign_rule(self, authority: str) -> ForeignRule | None:
        """Return the rule about a normalised foreign host[:port]; None where it is not believed at all."""
        return next((rule for rule in self.foreign or () if rule.is_about(authority)), None)

    def accept_signature(self, question: Question | None) -> str:
        """Return the value of Accept-Signature for an answer to `question` (None: it could not be read)."""
        required = self.required if question is None else self._required(question)
        return accept_signature(self.signatures, required, token_urlsafe)

    def _required(self, question: Question) -> Sequence[Component]:
        return self.required if question.body == b"" else self.required + self.required_with_body
