"""Whose key is it, and does it prove the signature? Steps 2 to 4 of `shared/vestry_service/verification.py`."""

from vestry_service.live_records import LiveRecord
from vestry_service.trust import Signer
from vestry_service.verification import THUMBPRINT
from vestry_signatures import Claim, Proof, PublicKey
from vestry_signatures.errors import (
    ContentDigestMismatch,
    InvalidSignature,
    MalformedRequest,
    MalformedSignature,
    UnsupportedAlg,
    VestryError,
)
from vestry_verifier.explain.accounts import Account, Scene, raised
from vestry_verifier.explain.checks import Checks
from vestry_verifier.explain.witness import Sought
from vestry_verifier.explain.words import count_of, shortened

PROOF = ("thumbprint", "algorithm", "components", "signature", "content-digest")


def key_checks(checks: Checks, account: Account, scene: Scene) -> None:
    """Tell who a signature that was judged by itself is believed to be from, and what its key proves."""
    claim, signer = account.claim, account.signer
    if isinstance(claim, VestryError) or signer is None or not checks.going:
        return
    if isinstance(signer, VestryError):
        checks.failed("trust", "" if claim.agent is None else shortened(claim.agent.value), signer)
        return
    checks.passed("trust", _signer(signer))
    if account.sought is None:
        return
    _sought(checks, claim, signer, account.sought)
    if isinstance(account.sought.result, PublicKey) and account.proof is not None:
        _proof(checks, claim, account.sought.result, account.proof, scene)
    if isinstance(account.proof, Proof):
        refused = raised(lambda: scene.tool.require_admitted(signer))
        checks.settle("admission", f"{signer.uid} calls the tool {scene.tool.name}", refused)


def _signer(signer: Signer) -> str:
    return f"{signer.uid}, {'of another authority' if signer.foreign else 'one of ours'}: {signer.url}"


def _sought(checks: Checks, claim: Claim, signer: Signer, sought: Sought) -> None:
    if not THUMBPRINT.fullmatch(claim.keyid):
        error = sought.result if isinstance(sought.result, VestryError) else None
        checks.settle("keyid", f"{count_of(len(claim.keyid), 'character')}, a thumbprint has 43", error)
        return
    checks.passed("keyid", f"{claim.keyid}, which has the form of a thumbprint")
    if isinstance(sought.result, VestryError):
        checks.failed("key", _place(signer, sought), sought.result)
    else:
        checks.passed("key", f"{sought.result.alg}, {_place(signer, sought)}")


def _place(signer: Signer, sought: Sought) -> str:
    if signer.foreign:
        return f"by its own directory, {shortened(signer.directory_url)}"
    record = "no live record" if sought.record is None else _record(sought.record)
    if sought.at_hand:
        return f"found in this process; {record}"
    if sought.record is not None:
        return record
    asked = "found by asking" if isinstance(sought.result, PublicKey) else "asked for"
    return f"{asked}, for it was neither in this process nor in the store"


def _record(record: LiveRecord) -> str:
    return f"the live record says {record.state}, of {record.uid}"


def _proof(checks: Checks, claim: Claim, key: PublicKey, proof: Proof | VestryError, scene: Scene) -> None:
    error = proof if isinstance(proof, VestryError) else None
    failing = None if error is None else _failed_check(error, claim, key)
    stated = claim.signature.alg
    digest = scene.question.body
    said = {
        "thumbprint": f"that of the key is {key.kid}",
        "algorithm": f"the key's is {key.alg}, stated is {'none' if stated is None else shortened(stated)}",
        "components": f"{count_of(len(claim.signature.covered), 'value')} derived",
        "signature": "verifies with this key" if error is None else "",
        "content-digest": "the body is not known"
        if digest is None
        else f"{count_of(len(digest), 'byte')} of body",
    }
    if isinstance(proof, Proof):
        said["content-digest"] = f"{proof.content_digest}; {said['content-digest']}"
    elif isinstance(error, ContentDigestMismatch):
        said["signature"] = "verifies with this key"
    for name in PROOF:
        if name == failing:
            checks.settle(name, said[name], error)
            return
        checks.passed(name, said[name])


def _failed_check(error: VestryError, claim: Claim, key: PublicKey) -> str:
    """Say at which check of `verify.prove` an error was raised."""
    if claim.keyid != key.kid:
        return "thumbprint"
    if isinstance(error, UnsupportedAlg):
        return "algorithm"
    if isinstance(error, MalformedSignature | MalformedRequest):
        return "components"
    return "signature" if isinstance(error, InvalidSignature) else "content-digest"
