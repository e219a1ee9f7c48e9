"""One sentence on what would help, as concrete as there is something to be seen."""

from collections.abc import Callable, Mapping
from typing import Final

from vestry_service.store.script import NotAcknowledged
from vestry_service.trust import Signer
from vestry_signatures import Claim, Proof, Signature
from vestry_signatures.errors import DirectoryUnreachable, VestryError
from vestry_verifier.explain import bodies, texts, variants
from vestry_verifier.explain.accounts import Account, Scene
from vestry_verifier.explain.sentences import BY_FETCH, BY_REASON, OF_REPLICAS
from vestry_verifier.explain.telling import base_of
from vestry_verifier.explain.words import shortened
from vestry_verifier.foreign.answer import FetchFailed

MILLISECONDS: Final = 100_000_000_000
"""A time that is greater is no number of seconds before the year 5138."""


def hint(error: VestryError, account: Account | None, scene: Scene) -> str:
    """Say what would help.

    Args:
        error: what the request is refused for.
        account: of the signature that decided, None where none did.
        scene: what was asked.
    """
    special = None if account is None else _SPECIAL.get(error.reason)
    found = (
        special(account, scene) if special is not None and account is not None else _of_request(error, scene)
    )
    return found or BY_REASON.get(error.reason) or f"{str(error)[:1].upper()}{str(error)[1:]}."


def _of_request(error: VestryError, scene: Scene) -> str | None:
    headers = scene.request.headers
    if error.reason in {"MISSING_SIGNATURE_INPUT", "MISSING_SIGNATURE"}:
        wanted = error.reason.removeprefix("MISSING_").replace("_", "-").lower()
        for name in (wanted.replace("-", "_"), f"http_{wanted.replace('-', '_')}", f"x-{wanted}"):
            if name in headers:
                return f"There is a header {name}: pass it on under its own name, {wanted}."
    if error.reason == "MALFORMED_SIGNATURE":
        return _of_signature_bytes(headers.get("signature", []))
    return OF_REPLICAS if isinstance(error.__cause__, NotAcknowledged) else None


def _of_signature_bytes(lines: list[str]) -> str | None:
    values = [part for line in lines for part in line.split(":")[1:2]]
    if any(set("-_") & set(value) for value in values):
        return "The bytes in Signature are in base64url; between the colons must stand base64, padded, with + and /."
    if any(not line.rstrip().endswith(":") for line in lines):
        return "The bytes in Signature must stand between colons: sig1=:BASE64:."
    return None


def _stated(account: Account, scene: Scene) -> str | None:
    signature = account.signature
    if not isinstance(signature, Signature):
        return _of_signature_bytes(scene.request.headers.get("signature", []))
    missing = [name for name in ("created", "expires", "keyid") if not getattr(signature, name)]
    if missing:
        return f"The signature lacks {' and '.join(missing)}: state created, expires and keyid."
    absent = _absent(signature, scene)
    if absent:
        return f"The signature covers {absent}, which is not in the request that you asked about: pass it on."
    return None


def _absent(signature: Signature, scene: Scene) -> str | None:
    names = (part.name for part in signature.covered)
    found = [name for name in names if not name.startswith("@") and not scene.request.headers.get(name)]
    return ", ".join(found) or None


def _expired(account: Account, scene: Scene) -> str | None:
    signature = account.signature
    if not isinstance(signature, Signature) or signature.expires is None or signature.created is None:
        return None
    late, life = scene.now - signature.expires, signature.expires - signature.created
    return (
        f"It came {late} s after it expired, {late + life} s after it was created: sign right before sending, or "
        "set the signer's clock if that is behind."
    )


def _early(account: Account, scene: Scene) -> str | None:
    signature = account.signature
    if isinstance(account.proof, Proof) and account.answer is not None and account.answer.record is not None:
        return f"The key may be used from {account.answer.record.not_before} on (Unix seconds)."
    if not isinstance(signature, Signature) or signature.created is None:
        return None
    if signature.created > MILLISECONDS:
        return "created is in milliseconds; it must be in seconds since 1970."
    return f"The signer's clock is {signature.created - scene.now} s ahead: set it."


def _lifetime(account: Account, scene: Scene) -> str | None:
    signature = account.signature
    if not isinstance(signature, Signature) or signature.expires is None or signature.created is None:
        return None
    if signature.expires > MILLISECONDS:
        return "expires is in milliseconds; it must be in seconds since 1970."
    return f"Let it expire at most {scene.policy.max_lifetime} s after created."


def _invalid(account: Account, scene: Scene) -> str | None:
    claim, key = account.claim, account.key
    if not isinstance(claim, Claim) or key is None:
        return None
    other = variants.find(claim, scene.request, key)
    if other is not None:
        return f"The signature verifies for {other}."
    base = base_of(claim.signature, scene.request)
    slip = None if base is None else texts.find(claim, base, key)
    if slip is not None:
        return f"The signature is by this key and for this request, but {slip}."
    if len(claim.signature.value) != 64:
        return f"An Ed25519 signature has 64 bytes, this one has {len(claim.signature.value)}."
    return None


def _digest(account: Account, scene: Scene) -> str | None:
    claim, body = account.claim, scene.question.body
    found = bodies.find(claim, scene.request, body) if isinstance(claim, Claim) and body is not None else None
    return None if found is None else f"The digest is that of {found}."


def _unknown(account: Account, scene: Scene) -> str | None:
    del scene
    claim, sought = account.claim, account.sought
    if not isinstance(claim, Claim) or sought is None or account.signer is None:
        return None
    if sought.record is not None:
        whose = sought.record.uid
        return f"This key is known, and belongs to {whose}: Signature-Agent must name it, or sign with another key."
    if len(claim.keyid) != 43:
        return "The keyid must be the RFC 7638 SHA-256 thumbprint of the public key, in base64url without padding."
    return None


def _agent(account: Account, scene: Scene) -> str | None:
    del scene
    claim = account.claim
    if not isinstance(claim, Claim) or claim.agent is None:
        return None
    told = f"{shortened(claim.agent.value)} is none of them. {BY_REASON['UNTRUSTED_SIGNATURE_AGENT']}"
    uncovered = " Of these hosts the signature must cover Signature-Agent, which this one does not."
    return told + (uncovered if claim.profile == "vestauth" else "")


def _revoked(account: Account, scene: Scene) -> str | None:
    record = None if account.answer is None else account.answer.record
    if record is not None and record.not_after and scene.now >= record.not_after:
        return f"The key's time ended {scene.now - record.not_after} s ago: sign with the agent's newer key."
    return None


def _directory(account: Account, scene: Scene) -> str | None:
    del scene
    if not isinstance(account.signer, Signer) or not account.signer.foreign:
        return None
    error = None if account.sought is None else account.sought.result
    cause = error.__cause__ if isinstance(error, DirectoryUnreachable) else None
    why = BY_FETCH.get(cause.result, "") if isinstance(cause, FetchFailed) else ""
    url = shortened(account.signer.directory_url)
    return f"See whether {url} answers 200 with a JWK Set, then sign anew. {why}".rstrip()


_SPECIAL: Final[Mapping[str, Callable[[Account, Scene], str | None]]] = {
    "MALFORMED_SIGNATURE": _stated,
    "EXPIRED_SIGNATURE": _expired,
    "NOT_YET_VALID": _early,
    "LIFETIME_TOO_LONG": _lifetime,
    "INVALID_SIGNATURE": _invalid,
    "CONTENT_DIGEST_MISMATCH": _digest,
    "UNKNOWN_KEY": _unknown,
    "UNTRUSTED_SIGNATURE_AGENT": _agent,
    "REVOKED_KEY": _revoked,
    "DIRECTORY_UNREACHABLE": _directory,
}
