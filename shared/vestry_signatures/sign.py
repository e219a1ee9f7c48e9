"""Signing: from a request and a private key to the three headers.

The form is the one that released clients make: parameters in the order created, keyid, alg, expires, nonce, tag. By
default the request's host and the agent's own member of Signature-Agent are covered, which is what
draft-ietf-webbotauth-httpsig-protocol asks. A reader that takes the field only as a whole (npm `web-bot-auth` 0.1.3)
wants `components=["@authority", "signature-agent"]`.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from . import algorithms, fields
from .base import signature_base
from .errors import InvalidJwk, MalformedSignature
from .keys import decode_base64url, encode_base64url, public_key
from .message import Request
from .profiles import TAG
from .signature import read_components
from .signature_agent import FIELD

NONCE_BYTES: Final = 64


class PrivateKey:
    """A private key that can sign. Make one with `generate` or `private_key`; `repr` never shows it.

    Attributes:
        public: the public key that goes with it.
    """

    __slots__ = ("_key", "public")

    def __init__(self, key: algorithms.SigningKey) -> None:
        self._key = key
        self.public = public_key(_public_jwk(key), frozenset(algorithms.SUPPORTED))

    @property
    def jwk(self) -> dict[str, str]:
        """The private JWK of an Ed25519 key (RFC 8037), with its kid. Keep it secret.

        Raises:
            InvalidJwk: the key is of another type.
        """
        if not isinstance(self._key, ed25519.Ed25519PrivateKey):
            raise InvalidJwk("only Ed25519 keys can be written as a private JWK here")
        return {**self.public.jwk, "d": encode_base64url(self._key.private_bytes_raw())}

    def sign(self, message: bytes) -> bytes:
        """Sign bytes with the algorithm `public.alg`."""
        return algorithms.sign(self._key, message)


def generate() -> PrivateKey:
    """Make a new Ed25519 key pair."""
    return PrivateKey(ed25519.Ed25519PrivateKey.generate())


def private_key(jwk: Mapping[str, Any]) -> PrivateKey:
    """Read a private Ed25519 JWK (RFC 8037).

    Raises:
        InvalidJwk: it is none, or its public member is another key's.
        WeakKey: it is one that an RFC prints.
    """
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or not isinstance(jwk.get("d"), str):
        raise InvalidJwk("not a private Ed25519 JWK")
    raw = decode_base64url(jwk["d"], "d")
    if len(raw) != 32:
        raise InvalidJwk('"d" must be 32 bytes')
    key = PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(raw))
    if jwk.get("x", key.public.jwk["x"]) != key.public.jwk["x"]:
        raise InvalidJwk('"x" and "d" are of two different keys')
    return key


def _public_jwk(key: algorithms.SigningKey) -> dict[str, str]:
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": encode_base64url(public.public_bytes_raw())}
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    return _ec_jwk(public)


def _ec_jwk(public: ec.EllipticCurvePublicKey) -> dict[str, str]:
    point, size = public.public_numbers(), (public.curve.key_size + 7) // 8
    x, y = (encode_base64url(value.to_bytes(size, "big")) for value in (point.x, point.y))
    return {"crv": f"P-{public.curve.key_size}", "kty": "EC", "x": x, "y": y}


def _number(value: int) -> str:
    return encode_base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def sign(
    request: Request,
    key: PrivateKey,
    *,
    created: int,
    lifetime: int = 300,
    agent_url: str | None = None,
    components: Sequence[str] | None = None,
    nonce: str | None = None,
    label: str = "sig1",
    tag: str = TAG,
) -> dict[str, str]:
    """Sign a request.

    Args:
        request: the request, with every header that is to be covered.
        key: the private key.
        created: seconds since the epoch.
        lifetime: seconds until the signature expires.
        agent_url: the agent that signs, e.g. `https://agent-….example.com`; None to name none (registration).
        components: component identifiers to cover, e.g. `"@method"` or `"content-digest";key="sha-256"`, written as
            in RFC 9421 or as bare names; by default `@authority`, and the agent's member where one is named.
        nonce: a text never used before with this key; by default 64 random bytes, base64url.
        label: the signature's label.
        tag: the signature's tag.

    Returns:
        The headers to add: `Signature-Input`, `Signature` and, where an agent is named, `Signature-Agent`.

    Raises:
        MalformedSignature: a component is malformed or not in the request.
        fields.FieldError: the label, nonce or tag has a character that a structured field cannot carry.
    """
    headers = {} if agent_url is None else {"Signature-Agent": fields.serialise({label: (agent_url, {})})}
    if components is None:
        components = ["@authority"] if agent_url is None else ["@authority", f'"{FIELD}";key="{label}"']
    items = [_item(text) for text in components]
    parameters = {
        "created": created,
        "keyid": key.public.kid,
        "alg": key.public.alg,
        "expires": created + lifetime,
        "nonce": secrets.token_urlsafe(NONCE_BYTES) if nonce is None else nonce,
        "tag": tag,
    }
    stated = fields.serialise_member((items, parameters))
    signed = Request(request.method, request.target.uri, {**request.headers, **_lines(headers)})
    value = key.sign(signature_base(signed, read_components(items), stated))
    return {
        "Signature-Input": f"{label}={stated}",
        "Signature": fields.serialise({label: (value, {})}),
        **headers,
    }


def _item(text: str) -> fields.Item:
    try:
        return fields.parse_item(text if text.startswith('"') else f'"{text}"')
    except fields.FieldError as error:
        raise MalformedSignature("a component to cover is not written as RFC 9421 writes it") from error


def _lines(headers: Mapping[str, str]) -> dict[str, list[str]]:
    return {name.lower(): [value] for name, value in headers.items()}
