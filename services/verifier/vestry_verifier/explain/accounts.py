"""What became of each signature of a request, taken down from the pure functions and what the doors noted.

The functions are those of the ceremony (`vestry_signatures`), called with the same arguments: being pure they say
what they said in the rehearsal.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vestry_service.replay import Answer
from vestry_service.trust import Signer
from vestry_service.uses import use_of
from vestry_service.verification import THUMBPRINT, Question
from vestry_signatures import (
    Claim,
    Policy,
    Proof,
    PublicKey,
    Request,
    Signature,
    claims,
    fields,
    parse,
    prove,
)
from vestry_signatures.errors import InvalidSignatureAgent, UnknownKey, VestryError
from vestry_signatures.profiles import TAGS
from vestry_signatures.signature_agent import FIELD, AgentField, read_agent_field
from vestry_verifier.explain.witness import Sought, Witness
from vestry_verifier.tool_policy import ToolPolicy


@dataclass(frozen=True, slots=True)
class Scene:
    """What was asked, by which rules, when, and what was seen."""

    question: Question
    tool: ToolPolicy
    now: int
    witness: Witness

    @property
    def request(self) -> Request:
        return self.question.request

    @property
    def policy(self) -> Policy:
        return self.tool.signatures


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one signature; what was not reached is None.

    Attributes:
        label: its label.
        signature: as read, or why it cannot be.
        claim: what it claims, or why it may not.
        signer: who it says it is from, or why that is nobody.
        sought: the key that was looked for.
        proof: that it verifies, or why not.
        answer: what the store said.
    """

    label: str
    signature: Signature | VestryError
    claim: Claim | VestryError
    signer: Signer | VestryError | None = None
    sought: Sought | None = None
    proof: Proof | VestryError | None = None
    answer: Answer | None = None

    @property
    def key(self) -> PublicKey | None:
        """The key, where one was found."""
        found = None if self.sought is None else self.sought.result
        return found if isinstance(found, PublicKey) else None


def raised(check: Callable[[], object]) -> VestryError | None:
    """Make a check and return what it raises."""
    try:
        check()
    except VestryError as error:
        return error
    return None


def agent_field(request: Request) -> AgentField | VestryError | None:
    """Read Signature-Agent; None where there is none."""
    try:
        value = request.field(FIELD)
        return None if value is None else read_agent_field(value)
    except VestryError as error:
        return error


def take_down(scene: Scene) -> list[Account] | VestryError:
    """Say what became of each signature, in field order, or why there is none to speak of."""
    try:
        signatures = parse(scene.request, TAGS)
        claimed = claims(scene.request, scene.policy, scene.now)
    except VestryError as error:
        return error
    if isinstance(agent_field(scene.request), InvalidSignatureAgent):
        claimed *= len(signatures)  # one error, said of all of them
    labels = _labels(scene.request, len(signatures))
    return [_account(scene, *each) for each in zip(labels, signatures, claimed, strict=True)]


def _labels(request: Request, count: int) -> list[str]:
    """Name the signatures that `parse` read: it does not say the label of one that cannot be read."""
    try:
        members = fields.parse_dictionary(request.field("signature-input") or "")
    except fields.FieldError:
        members = {}
    labels = [label for label, member in members.items() if member[1].get("tag") in TAGS]
    return labels if len(labels) == count else [str(number + 1) for number in range(count)]


def _account(
    scene: Scene, label: str, signature: Signature | VestryError, claim: Claim | VestryError
) -> Account:
    if isinstance(claim, VestryError):
        return Account(label, signature, claim)
    signer = scene.witness.trust.signers.get(label)
    if not isinstance(signer, Signer):
        return Account(label, signature, claim, signer)
    sought = _sought(scene, signer, claim.keyid)
    if sought is None or isinstance(sought.result, VestryError):
        return Account(label, signature, claim, signer, sought)
    proof = _proof(scene, claim, sought.result)
    answer = None if isinstance(proof, VestryError) else scene.witness.store.answers.get(use_of(proof).digest)
    return Account(label, signature, claim, signer, sought, proof, answer)


def _sought(scene: Scene, signer: Signer, keyid: str) -> Sought | None:
    if not THUMBPRINT.fullmatch(keyid):
        return Sought(UnknownKey("the keyid is not the thumbprint of any key"), at_hand=False, record=None)
    return scene.witness.keys.sought.get((signer.uid, keyid))


def _proof(scene: Scene, claim: Claim, key: PublicKey) -> Proof | VestryError:
    question = scene.question
    try:
        return prove(claim, question.request, key, question.body, digest_asserted=question.digest_asserted)
    except VestryError as error:
        return error
