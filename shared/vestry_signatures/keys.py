"""Public keys in and out: JWK (RFC 7517, RFC 8037), thumbprint (RFC 7638), refusal of what is no key.

A JWK from outside is read in this order:

1. Private members are refused first, whatever else is wrong: the owner must learn that the key is exposed.
2. Only the members that make the key are kept. Its `kid` is never believed; ours is the thumbprint.
3. Values have one spelling: base64url without padding, without stray bits. Otherwise one key had two thumbprints.
4. Keys that anybody can sign with are refused: points of small order, and keys whose private half an RFC prints.
5. An Ed25519 key must be a point of the curve. That takes longer than all the rest, and `claimed_key` leaves it out
   for those who have the key prove itself at once (`possession` says why that is sound).
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from . import curve
from .algorithms import ED25519, RSA_PSS, Checker, ecdsa_checker, ed25519_checker, rsa_pss_checker
from .errors import InvalidJwk, PrivateKeyExposed, WeakKey

PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "OKP": ("crv", "kty", "x"),
    "EC": ("crv", "kty", "x", "y"),
    "RSA": ("e", "kty", "n"),
}
"""The required members of each key type, in the order in which RFC 7638 section 3.2 hashes them."""

_PUBLISHED: Final = frozenset(
    {
        "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U",  # test-key-ed25519, RFC 9421 B.1.4
        "ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI",  # test-key-ecc-p256, B.1.3
        "oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA",  # test-key-rsa-pss, B.1.2
        "BHj8s0GPnMEQtkaULIM-PLgEhLBbuGUQ1vMxmBWZzEo",  # test-key-rsa, B.1.1
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",  # RFC 8037 A.1, and TEST 1 of RFC 8032 section 7.1
        "FtIu-VbGrfe_KB6CH7GNwODB72MNxj_ml11dEvO-7kk",  # TEST 2
        "FVV5umTuau890q59V-4Ga_R6qWb7ON_ivJc4EjvCwTM",  # TEST 3
        "lZI1vM7tnlYapaF5-cy86ptx0tT_8Av721hhiNB5ti4",  # TEST 1024
        "iiDHHfFVNG6ICMUTsicgrWf1igtFYZEK73xlobt1ah4",  # TEST SHA(abc)
        "2bVIQ9_u0wVxBsBwmxK3F42rRFnt_dA7CZQ3u_2RKZY",  # section 7.2, Ed25519ctx
        "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",  # RFC 7517 A.2, P-256
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",  # RFC 7517 A.2, RSA
        "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",  # RFC 7515 A.3, P-256
    }
)
_RSA_BITS: Final = range(2048, 4097)
"""A longer one takes long to check, and strangers choose when."""


class PublicKey:
    """A public key that is ready to check signatures. Make one with `public_key`.

    Attributes:
        kid: the RFC 7638 SHA-256 thumbprint, base64url without padding (43 characters).
        jwk: the public members and our kid, as published in a directory.
        alg: the signature algorithm that goes with the key (RFC 9421 section 3.3).
        check: function of (signature, message) that tells whether the signature verifies.
    """

    __slots__ = ("alg", "check", "jwk", "kid")

    def __init__(self, jwk: Mapping[str, str], alg: str, check: Checker) -> None:
        self.kid = thumbprint(jwk)
        self.jwk = {**jwk, "kid": self.kid}
        self.alg = alg
        self.check = check


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Compute the RFC 7638 SHA-256 thumbprint of an OKP, EC or RSA key, base64url without padding.

    Args:
        jwk: a public or private JWK; members other than the required ones do not count.

    Raises:
        InvalidJwk: the key type is another, or a required member is missing or no string.
    """
    members = _required_members(jwk)
    # What json.dumps would write, in a fifth of the time: the members are in order, and all of them are text.
    text = ",".join([f'"{name}":{_quoted(value)}' for name, value in members.items()])
    return encode_base64url(hashlib.sha256(f"{{{text}}}".encode()).digest())


def public_key(jwk: object, algorithms: frozenset[str] = frozenset({ED25519})) -> PublicKey:
    """Read a JWK that came from outside.

    Args:
        jwk: the parsed JSON value.
        algorithms: the signature algorithms that are accepted.

    Raises:
        InvalidJwk: it is no public key of an accepted kind.
        PrivateKeyExposed: it has private members.
        WeakKey: anybody can sign with it.
    """
    key = claimed_key(jwk, algorithms)
    require_point(key)  # (5)
    return key


def claimed_key(jwk: object, algorithms: frozenset[str] = frozenset({ED25519})) -> PublicKey:
    """Read a JWK as `public_key` does, without (5): only for `possession.prove_possession`."""
    if not isinstance(jwk, Mapping):
        raise InvalidJwk("public_jwk must be a JSON object")
    if not PRIVATE_MEMBERS.isdisjoint(jwk):
        raise PrivateKeyExposed  # (1)
    members = _required_members(jwk)  # (2)
    key = _READERS[members["kty"]](members)  # (3), (4)
    if key.alg not in algorithms:
        raise InvalidJwk(f"keys for {key.alg} are not accepted here")
    if key.kid in _PUBLISHED:
        raise WeakKey("this key is printed in a public document: make a new one")
    return key


def require_point(key: PublicKey) -> None:
    """Raise InvalidJwk where an Ed25519 key is no point of the curve (5); other kinds are looked at when read."""
    if key.alg == ED25519 and not curve.is_on_curve(decode_base64url(key.jwk["x"], "x")):
        raise InvalidJwk('"x" is not a point of the curve')


def _required_members(jwk: Mapping[str, Any]) -> dict[str, str]:
    kty = jwk.get("kty")
    names = _MEMBERS.get(kty) if isinstance(kty, str) else None
    if names is None:
        raise InvalidJwk('"kty" must be OKP, EC or RSA')
    members = {name: jwk.get(name) for name in names}
    for name, value in members.items():
        if not isinstance(value, str) or not value.isascii():
            raise InvalidJwk(f'"{name}" must be a string')
    return members  # type: ignore[return-value]


def _ed25519(jwk: dict[str, str]) -> PublicKey:
    if jwk["crv"] != "Ed25519":
        raise InvalidJwk('"crv" must be Ed25519')
    raw = decode_base64url(jwk["x"], "x")
    if len(raw) != 32:
        raise InvalidJwk('"x" must be 32 bytes')
    if curve.has_small_order(raw) or not curve.is_canonical(raw):
        raise WeakKey
    return PublicKey(jwk, ED25519, ed25519_checker(raw))


def _ecdsa(jwk: dict[str, str]) -> PublicKey:
    shapes: dict[str, tuple[ec.EllipticCurve, int]] = {
        "P-256": (ec.SECP256R1(), 32),
        "P-384": (ec.SECP384R1(), 48),
    }
    if jwk["crv"] not in shapes:
        raise InvalidJwk('"crv" must be P-256 or P-384')
    shape, size = shapes[jwk["crv"]]
    x, y = decode_base64url(jwk["x"], "x"), decode_base64url(jwk["y"], "y")
    if len(x) != size or len(y) != size:
        raise InvalidJwk('"x" and "y" must be as long as the curve says')
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), shape)
    try:
        return PublicKey(jwk, *ecdsa_checker(numbers.public_key()))
    except ValueError as error:
        raise InvalidJwk("x and y are not a point of the curve") from error


def _rsa(jwk: dict[str, str]) -> PublicKey:
    n, e = (_positive(decode_base64url(jwk[name], name), name) for name in ("n", "e"))
    if n.bit_length() not in _RSA_BITS or not 2**16 < e < 2**32:
        raise WeakKey("an RSA key must have 2048 to 4096 bits and an exponent from 65537 to 2^32")
    try:
        return PublicKey(jwk, RSA_PSS, rsa_pss_checker(rsa.RSAPublicNumbers(e, n).public_key()))
    except ValueError as error:
        raise InvalidJwk("n and e are not an RSA key") from error


def _positive(raw: bytes, name: str) -> int:
    if not raw or raw[0] == 0:
        raise InvalidJwk(f'"{name}" must be a number without leading zero bytes')
    return int.from_bytes(raw, "big")


_READERS: Final = {"OKP": _ed25519, "EC": _ecdsa, "RSA": _rsa}


def encode_base64url(data: bytes) -> str:
    """Encode as base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(text: str, name: str) -> bytes:
    """Decode base64url without padding, in its one spelling (RFC 7515 section 2).

    Raises:
        InvalidJwk: it is something else; the message names the member.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidJwk(f'"{name}" must be base64url') from error
    if encode_base64url(data) != text:
        raise InvalidJwk(f'"{name}" must be base64url without padding, in its shortest spelling')
    return data
