"""A key proves itself, and what is no key never does: the check of the signature decodes the point by itself."""

import os
from collections.abc import Iterator

import pytest

import edwards
import signer
from vestry_signatures import Policy, Request, generate, public_key
from vestry_signatures.algorithms import HAVE_LIBSODIUM, ed25519_by_cryptography, ed25519_by_libsodium
from vestry_signatures.errors import InvalidJwk, SignatureError, VestryError
from vestry_signatures.keys import claimed_key, encode_base64url
from vestry_signatures.possession import prove_possession

URL = "https://agents.example/register"
BACKENDS = [ed25519_by_cryptography, *([ed25519_by_libsodium] if HAVE_LIBSODIUM else [])]


def no_points(number: int) -> Iterator[bytes]:
    """Encodings with y below p that are no point of the curve, with either sign."""
    while number:
        encoding = (int.from_bytes(os.urandom(32), "big") % edwards.P | number % 2 << 255).to_bytes(
            32, "little"
        )
        if edwards.decode(encoding) is None:
            yield encoding
            number -= 1


def hopeful(a: bytes, message: bytes) -> Iterator[bytes]:
    """Signatures that would verify, if the key were taken for the neutral point, or for minus or plus the base."""
    for s in (1, 2, 0xABCDEF << 200):
        for log in (0, 1, -1):
            for _ in range(4):
                r = edwards.encode(edwards.multiply(s, edwards.BASE))
                k = edwards.challenge(r, a, message)
                yield r + ((s + k * log) % edwards.L).to_bytes(32, "little")


def jwk_of(x: bytes) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(x)}


def request_with(headers: dict[str, str]) -> Request:
    return Request.of("POST", URL, headers.items())


@pytest.mark.parametrize("bind", BACKENDS)
def test_what_is_no_point_verifies_nothing(bind: object) -> None:
    """In either library: this is what lets the point go unexamined where a signature holds."""
    for a in [(2).to_bytes(32, "little"), *no_points(24)]:
        check = bind(a)  # type: ignore[operator]
        for message in (b"", b"message"):
            assert not any(check(signature, message) for signature in hopeful(a, message))
            assert not check(bytes(64), message)


@pytest.mark.parametrize("bind", BACKENDS)
def test_the_hopeful_signatures_are_good_ones(bind: object) -> None:
    """Under the base point itself one in three of them holds, or the test above would test nothing."""
    a = edwards.encode(edwards.BASE)
    held = [bind(a)(signature, b"message") for signature in hopeful(a, b"message")]  # type: ignore[operator]
    assert sum(held) == len(held) / 3


def test_a_key_proves_itself() -> None:
    """The proof is about that very key."""
    key = generate()
    request = request_with(signer.sign(key, "POST", URL, tag="null"))
    proof = prove_possession(claimed_key(key.public.jwk), request, Policy(), signer.now(), b"")
    assert proof.key.kid == key.public.kid
    assert proof.claim.profile == "registration"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"keyid": "another"},
        {"created": 1, "expires": 2},
        {"nonce": None},
        {"tag": "other"},
        {"alg": "rsa"},
    ],
    ids=str,
)
def test_what_is_no_key_is_told_so_whatever_else_is_wrong(changes: dict[str, signer.Parameter]) -> None:
    """The same error as from `public_key`; with a real key it is the other fault that is told."""
    key = generate()
    for x in no_points(3):
        claimed = claimed_key(jwk_of(x))
        signed = signer.sign(key, "POST", URL, **{"tag": "null", "keyid": claimed.kid, **changes})
        with pytest.raises(InvalidJwk) as told:
            prove_possession(claimed, request_with(signed), Policy(), signer.now(), b"")
        with pytest.raises(InvalidJwk) as read:
            public_key(jwk_of(x))
        assert str(told.value) == str(read.value)
        with pytest.raises(SignatureError):
            prove_possession(generate().public, request_with(signed), Policy(), signer.now(), b"")


def test_an_unsigned_request_with_no_key() -> None:
    """Nothing is signed, and the key is none: the key is told, as before any signature."""
    with pytest.raises(InvalidJwk):
        prove_possession(claimed_key(jwk_of(next(no_points(1)))), request_with({}), Policy(), 0, b"")


def test_everything_but_the_point_is_refused_at_once() -> None:
    """A claimed key is looked at as any other, but for being a point."""
    small = [spelling for point in edwards.TORSION for spelling in edwards.spellings(point)]
    beyond = [(y + sign).to_bytes(32, "little") for y in range(edwards.P, 2**255) for sign in (0, 2**255)]
    for jwk in (*map(jwk_of, small + beyond), jwk_of(bytes(31)), {**generate().public.jwk, "d": "x"}, None):
        with pytest.raises(VestryError) as claimed:
            claimed_key(jwk)
        with pytest.raises(VestryError) as read:
            public_key(jwk)
        assert (type(claimed.value), str(claimed.value)) == (type(read.value), str(read.value))
