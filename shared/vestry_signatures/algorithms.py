"""Signature algorithms by their registered names (RFC 9421 section 3.3).

A *checker* is a function of (signature, message) that answers True or False and raises nothing: the key is bound
into it once, since a verifier meets the same key again and again.

Ed25519 is checked by libsodium where PyNaCl is installed (about twice as fast) and by `cryptography` otherwise. Both
compute the equation of RFC 8032 section 5.1.7 without the cofactor and refuse S >= L; `curve.has_small_order` makes
them agree on R, and `keys` on the public key.

HMAC and RSA v1.5 are not here: a shared secret proves nothing about who signed, and v1.5 is for old stock only.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from .curve import has_small_order

try:
    import nacl.bindings  # noqa: F401  # makes libsodium ready
    from nacl._sodium import ffi, lib  # type: ignore[import-not-found]
except ImportError:  # PyNaCl comes with the extra `server`
    HAVE_LIBSODIUM = False
else:
    HAVE_LIBSODIUM = True
    # Here and not in each checker: there is one for each key.
    _open, _NOTHING = lib.crypto_sign_open, ffi.NULL

Checker: TypeAlias = Callable[[bytes, bytes], bool]
"""(signature, message) -> whether it verifies."""

ED25519: Final = "ed25519"
ECDSA_P256: Final = "ecdsa-p256-sha256"
ECDSA_P384: Final = "ecdsa-p384-sha384"
RSA_PSS: Final = "rsa-pss-sha512"

SUPPORTED: Final = (ED25519, ECDSA_P256, ECDSA_P384, RSA_PSS)

_CURVES: Final[Mapping[str, tuple[str, hashes.HashAlgorithm, int]]] = {
    "secp256r1": (ECDSA_P256, hashes.SHA256(), 32),
    "secp384r1": (ECDSA_P384, hashes.SHA384(), 48),
}
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)


def ed25519_by_cryptography(raw: bytes) -> Checker:
    """Bind a public key of 32 bytes to a checker that uses `cryptography` (section 3.3.6)."""
    verify = ed25519.Ed25519PublicKey.from_public_bytes(raw).verify

    def check(signature: bytes, message: bytes) -> bool:
        if len(signature) != 64 or has_small_order(signature[:32]):
            return False
        try:
            verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return check


def ed25519_by_libsodium(raw: bytes) -> Checker:
    """Bind a public key of 32 bytes to a checker that uses libsodium (section 3.3.6).

    The function is called as PyNaCl's own `crypto_sign_open` calls it, save that it is given no room for a copy of
    the message, which nobody wants: libsodium takes NULL for both of its outputs.
    """
    if len(raw) != 32:
        raise ValueError("an Ed25519 public key has 32 bytes")

    def check(signature: bytes, message: bytes) -> bool:
        if len(signature) != 64 or has_small_order(signature[:32]):
            return False
        signed = signature + message
        return bool(_open(_NOTHING, _NOTHING, signed, len(signed), raw) == 0)

    return check


ed25519_checker: Final = ed25519_by_libsodium if HAVE_LIBSODIUM else ed25519_by_cryptography


def ecdsa_checker(key: ec.EllipticCurvePublicKey) -> tuple[str, Checker]:
    """Bind a P-256 or P-384 key to its algorithm's name and checker (sections 3.3.4 and 3.3.5)."""
    name, digest, size = _CURVES[key.curve.name]

    def check(signature: bytes, message: bytes) -> bool:
        if len(signature) != 2 * size:
            return False
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        try:
            key.verify(utils.encode_dss_signature(r, s), message, ec.ECDSA(digest))
        except InvalidSignature:
            return False
        return True

    return name, check


def rsa_pss_checker(key: rsa.RSAPublicKey) -> Checker:
    """Bind an RSA key to a checker for rsa-pss-sha512 (section 3.3.1)."""

    def check(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message, _PSS, hashes.SHA512())
        except InvalidSignature:
            return False
        return True

    return check


SigningKey: TypeAlias = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def sign(key: SigningKey, message: bytes) -> bytes:
    """Sign with the algorithm that goes with the key's type (section 3.3).

    Args:
        key: Ed25519, ECDSA P-256 or P-384, or RSA (for rsa-pss-sha512).
        message: the signature base.
    """
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, _PSS, hashes.SHA512())
    _, digest, size = _CURVES[key.curve.name]
    r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")
