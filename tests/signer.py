"""A signer that can be made to sign, or to claim, anything at all.

Left alone it signs as released clients do: `@authority` alone is covered, and the parameters come in their order.
Everything can be changed: parameters given another value, another type or left out, labels, covered components, the
key that is named, the bytes that are signed. Where a component can be derived from the request our own code derives
it, since that code is held to the vectors of RFC 9421 elsewhere; where it cannot, the base is written by hand.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vestry_signatures import PrivateKey, Request, fields
from vestry_signatures.base import signature_base
from vestry_signatures.signature import read_components

AUTHORITY = '"@authority"'


class Raw(str):
    """The text of a parameter as it is to stand in the header, quotes and all."""

    __slots__ = ()


class In(NamedTuple):
    """So many seconds from the moment of signing."""

    seconds: int


Parameter = int | str | Raw | In | None
"""None leaves a parameter out."""


def now() -> int:
    return int(time.time())


def nonce() -> str:
    return secrets.token_urlsafe(64)


def sign(
    key: PrivateKey,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str | list[str]] | None = None,
    covered: Sequence[str] = (AUTHORITY,),
    label: str = "sig1",
    base: bytes | None = None,
    order: Sequence[str] = ("created", "keyid", "alg", "expires", "nonce", "tag"),
    **changes: Parameter,
) -> dict[str, str]:
    """Return `Signature-Input` and `Signature`.

    Args:
        key: who signs.
        method: of the request that is signed.
        url: its absolute URL.
        headers: its other headers.
        covered: component identifiers as they stand in the header.
        label: of the signature.
        base: the bytes that are signed, instead of the signature base.
        order: of the parameters; those it does not name come last.
        changes: parameters with another value than a client would give them.
    """
    changes = {name: _then(value) for name, value in changes.items()}
    created = changes.get("created")
    start = created if type(created) is int else now()
    values: dict[str, Parameter] = {
        "created": start,
        "keyid": key.public.kid,
        "alg": "ed25519",
        "expires": start + 300,
        "nonce": nonce(),
        "tag": "web-bot-auth",
    } | changes
    names = [*order, *(name for name in values if name not in order)]
    stated = "".join(f";{name}={_shown(value)}" for name in names if (value := values.get(name)) is not None)
    parameters = f"({' '.join(covered)}){stated}"
    if base is None:
        base = _base(Request.of(method, url, _lines(headers or {})), covered, parameters)
    value = base64.b64encode(key.sign(base)).decode()
    return {"Signature-Input": f"{label}={parameters}", "Signature": f"{label}=:{value}:"}


def _then(value: Parameter) -> Parameter:
    return now() + value.seconds if isinstance(value, In) else value


def _shown(value: Parameter) -> str:
    if isinstance(value, Raw) or not isinstance(value, str):
        return str(value)
    return fields.serialise((value, {}))


def _lines(headers: Mapping[str, str | list[str]]) -> list[tuple[str, str]]:
    return [
        (name, line)
        for name, value in headers.items()
        for line in ([value] if isinstance(value, str) else value)
    ]


def _base(request: Request, covered: Sequence[str], parameters: str) -> bytes:
    return signature_base(request, read_components(map(fields.parse_item, covered)), parameters)


def both(*signatures: Mapping[str, str]) -> dict[str, str]:
    """Put several signatures into one pair of headers, in this order."""
    names = ("Signature-Input", "Signature")
    return {name: ", ".join(each[name] for each in signatures) for name in names}


def content_digest(body: bytes, algorithm: str = "sha-256") -> str:
    """The Content-Digest of a body (RFC 9530)."""
    digest = hashlib.new(algorithm.replace("-", ""), body).digest()
    return f"{algorithm}=:{base64.b64encode(digest).decode()}:"
