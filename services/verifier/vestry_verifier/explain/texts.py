"""Slips of whoever builds a signature base by hand: the right request, and another text (RFC 9421 section 2.5)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from vestry_signatures import Claim, PublicKey

MOST: Final = 4
_TO_BASE64: Final = str.maketrans("-_", "+/")
_TO_BASE64URL: Final = str.maketrans("+/", "-_")


class Slip(NamedTuple):
    """A text that may have been signed in place of the signature base, and what is wrong with it."""

    text: bytes
    said: str


def find(claim: Claim, base: str, key: PublicKey) -> str | None:
    """Say what is wrong with the text that was signed; None where that was not found out. Checks `MOST` at most."""
    for number, slip in enumerate(_slips(claim, base)):
        if number < MOST and key.check(claim.signature.value, slip.text):
            return slip.said
    return None


def _slips(claim: Claim, base: str) -> Iterator[Slip]:
    yield Slip(f"{base}\n".encode(), "the text that was signed ends with a line break, and must not")
    yield Slip(
        base.replace("\n", "\r\n").encode(),
        "the lines of the text that was signed end with CR LF, and must with LF",
    )
    nonce = claim.signature.nonce or ""
    table = _TO_BASE64 if set("-_") & set(nonce) else _TO_BASE64URL
    other = nonce.rstrip("=").translate(table)
    if other and other != nonce:
        said = "the nonce in the header is not the one that was signed: one of them is base64, the other base64url"
        yield Slip(base.replace(f'nonce="{nonce}"', f'nonce="{other}"').encode(), said)
        padded = other + "=" * (-len(other) % 4)
        yield Slip(base.replace(f'nonce="{nonce}"', f'nonce="{padded}"').encode(), said)
