"""What a foreign directory may hold: a JWK Set (RFC 7517 section 5), read with suspicion.

1. It is JSON of the right media type, an object, with at most 32 keys; else it is no directory at all. What two
   readers could understand differently, such as a member given twice, is none either.
2. A key that cannot be used is left out and spoils no other: of a kind that is not known, with private members,
   known to the public, not for signatures, or for another algorithm (so HMAC and RSA v1.5 are never there).
3. Every key is known by its thumbprint, which is computed here. At the well-known path a `kid` must be that
   thumbprint, so a key with another one is left out: it is not for us. Elsewhere `kid` is anybody's label.
4. A key that stands there twice in two ways, say with two ends, is left out: nobody can tell which one is meant.
5. `nbf` and `exp` are whole seconds; a key with something else in them is left out.

What is kept is the public members alone, so that a private key published by mistake is not spread by us.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from vestry_service.requests import parse_json_object
from vestry_signatures import algorithms
from vestry_signatures.errors import KeyRefused, MalformedRequest
from vestry_signatures.keys import PublicKey, public_key

MEDIA_TYPE: Final = "application/http-message-signatures-directory+json"
JWK_SET_TYPES: Final = frozenset({MEDIA_TYPE, "application/jwk-set+json", "application/json"})
MAX_KEYS: Final = 32
MAX_TIME: Final = 2**53
_EVERY: Final = frozenset(algorithms.SUPPORTED)
_JOSE: Final[Mapping[str, frozenset[str]]] = {
    algorithms.ED25519: frozenset({"EdDSA", "Ed25519"}),
    algorithms.ECDSA_P256: frozenset({"ES256"}),
    algorithms.ECDSA_P384: frozenset({"ES384"}),
    algorithms.RSA_PSS: frozenset({"PS512"}),
}
"""Names that JWK has for what RFC 9421 calls otherwise."""


class NotADirectory(Exception):
    """An answer that is no directory."""


class ForeignKey(NamedTuple):
    """A key of a directory.

    Attributes:
        jwk: the members that make the key, and our kid.
        not_before, not_after: Unix seconds; 0 means no bound.
    """

    jwk: dict[str, str]
    not_before: int
    not_after: int


def require_media_type(content_type: str, well_known: bool) -> None:
    """Refuse an answer of another kind (1). Raises NotADirectory."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != MEDIA_TYPE and (well_known or kind not in JWK_SET_TYPES):
        raise NotADirectory("the answer has another media type than a directory")


def read_jwks(body: bytes, well_known: bool) -> list[ForeignKey]:
    """Read the keys of a directory that can be used.

    Args:
        body: the decoded body.
        well_known: whether it was at the well-known path.

    Raises:
        NotADirectory: it is none, or has too many keys.
    """
    try:
        keys = parse_json_object(body).get("keys")
    except MalformedRequest as error:
        raise NotADirectory("the answer is no JSON object") from error
    if not isinstance(keys, list):
        raise NotADirectory("the answer has no list of keys")
    if len(keys) > MAX_KEYS:
        raise NotADirectory(f"the directory has more than {MAX_KEYS} keys")
    return _unambiguous(found for jwk in keys if (found := _read(jwk, well_known)) is not None)  # (2)


def _unambiguous(keys: Iterator[ForeignKey]) -> list[ForeignKey]:
    found: dict[str, ForeignKey | None] = {}
    for key in keys:
        kid = key.jwk["kid"]
        found[kid] = key if found.get(kid, key) == key else None  # (4)
    return [key for key in found.values() if key is not None]


def _read(jwk: Any, well_known: bool) -> ForeignKey | None:
    try:
        key = public_key(jwk, _EVERY)
    except KeyRefused:
        return None
    kid = jwk.get("kid", key.kid)
    if (well_known and kid != key.kid) or not _is_for_signatures(jwk, key):  # (3)
        return None
    times = [jwk.get(name, 0) for name in ("nbf", "exp")]
    if not all(type(time) is int and 0 <= time <= MAX_TIME for time in times):  # (5)
        return None
    return ForeignKey(key.jwk, *times)


def _is_for_signatures(jwk: Mapping[str, Any], key: PublicKey) -> bool:
    if jwk.get("use", "sig") != "sig":
        return False
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return False
    alg = jwk.get("alg", key.alg)
    return isinstance(alg, str) and (alg == key.alg or alg in _JOSE[key.alg])
