"""What one row of `public_jwks` says by itself.

The rules are those of a registration (`vestry_signatures.keys`), so nothing enters by the back door that would be
refused at the front one.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vestry_registrar.adoption.reasons import Reason
from vestry_registrar.adoption.redaction import Redacted, parse, redact
from vestry_registrar.adoption.rows import KeyRow
from vestry_signatures.errors import KeyRefused, WeakKey
from vestry_signatures.keys import encode_base64url, public_key, thumbprint


@dataclass(frozen=True, slots=True)
class Evidence:
    """A row and what it shows.

    Attributes:
        row: as it stands.
        reasons: what is wrong with it, whatever other rows say.
        value: what it stored, without anything private.
        jwk: the public key to keep (`kty`, `crv`, `x`); None where there is none to keep.
        removed: paths of the private members that it had.
        point: the 32 bytes of the public key in whatever spelling, to find the same key elsewhere.
        exposed: thumbprints of the keys whose private halves it had.
    """

    row: KeyRow
    reasons: frozenset[Reason]
    value: Any
    jwk: dict[str, str] | None
    removed: tuple[str, ...]
    point: bytes | None
    exposed: frozenset[str]


def examine(row: KeyRow) -> Evidence:
    """Say what a row shows by itself."""
    stored = _stored(row.value)
    jwk, refused = _key(stored.clean)
    return Evidence(
        row=row,
        reasons=frozenset({*_wrong(row, stored, jwk), *refused}),
        value=stored.clean,
        jwk=jwk,
        removed=tuple(stored.removed),
        point=_bytes(stored.clean.get("x")) if isinstance(stored.clean, Mapping) else None,
        exposed=frozenset(_exposed(stored.removed)),
    )


def _stored(value: str | None) -> Redacted:
    """Read what is stored; of what cannot be read nobody knows what is private, so only its hash is kept."""
    text = value or "null"
    try:
        found = redact(parse(text))
        json.dumps(found.clean)
    except (ValueError, RecursionError):
        digest = hashlib.sha256(text.encode()).hexdigest()
        return Redacted({"unreadable": {"sha256": digest, "characters": len(text)}}, {})
    return found


def _key(value: Any) -> tuple[dict[str, str] | None, tuple[Reason, ...]]:
    try:
        key = public_key(value)
    except WeakKey:
        return None, (Reason.WEAK_KEY,)
    except KeyRefused:
        return None, (Reason.UNUSABLE_JWK,)
    return {name: key.jwk[name] for name in ("kty", "crv", "x")}, ()


def _wrong(row: KeyRow, stored: Redacted, jwk: Mapping[str, str] | None) -> Iterable[Reason]:
    if None in (row.kid, row.value, row.state, row.created_at, row.updated_at):
        yield Reason.INCOMPLETE_ROW
    if stored.removed:
        yield Reason.PRIVATE_MEMBERS
    if row.state not in {"active", "revoked"}:
        yield Reason.UNKNOWN_STATE
    if jwk is None:
        return
    kid = thumbprint(jwk)
    if row.kid != kid:
        yield Reason.KID_MISMATCH
    if stored.clean not in (jwk, {**jwk, "kid": kid}):
        yield Reason.OTHER_MEMBERS


def _exposed(removed: Mapping[str, Any]) -> Iterable[str]:
    """Yield the thumbprints of the Ed25519 keys whose private halves (`d`, RFC 8037) are among what was taken out."""
    for path, value in removed.items():
        seed = _bytes(value) if path.rpartition(".")[2] == "d" else None
        if seed is not None:
            point = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
            yield thumbprint({"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(point)})


def _bytes(text: object) -> bytes | None:
    """Decode 32 bytes in any spelling of base64; None where it is something else."""
    if not isinstance(text, str):
        return None
    plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        found = base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return None
    return found if len(found) == 32 else None
