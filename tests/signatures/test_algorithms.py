"""Each algorithm checks what it should, and both Ed25519 libraries give one verdict on every edge case."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import edwards
from vestry_signatures import algorithms
from vestry_signatures.algorithms import Checker, ecdsa_checker, rsa_pss_checker
from vestry_signatures.errors import KeyRefused
from vestry_signatures.keys import encode_base64url, public_key

BACKENDS: list[Callable[[bytes], Checker]] = [
    algorithms.ed25519_by_cryptography,
    algorithms.ed25519_by_libsodium,
]

RFC_8032 = {
    # RFC 8032 section 7.1: secret key, public key, message, signature
    "TEST 1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    "TEST 2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    "TEST 3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    "TEST SHA(abc)": (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
            "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
        ),
    ),
}


def verdicts(key: bytes, signature: bytes, message: bytes) -> list[bool]:
    """Whether a key would be taken and the signature then verify: by either library, in this order."""
    try:
        public_key({"kty": "OKP", "crv": "Ed25519", "x": encode_base64url(key)})
    except KeyRefused:
        return [False, False]
    return checked(key, signature, message)


def checked(key: bytes, signature: bytes, message: bytes) -> list[bool]:
    """Whether a signature verifies, by either library; the keys that an RFC prints are taken nowhere else."""
    return [bind(key)(signature, message) for bind in BACKENDS]


@pytest.mark.parametrize("name", RFC_8032)
def test_vectors_of_rfc_8032(name: str) -> None:
    """Both libraries verify the printed signatures, and we print the same ones."""
    secret, key, message, signature = map(bytes.fromhex, RFC_8032[name])
    assert checked(key, signature, message) == [True, True]
    assert algorithms.sign(ed25519.Ed25519PrivateKey.from_private_bytes(secret), message) == signature
    assert checked(key, signature, message + b"x") == [False, False]


def test_every_flipped_bit_is_seen() -> None:
    """No bit of a signature is idle, the highest ones of S included."""
    _, key, message, signature = map(bytes.fromhex, RFC_8032["TEST 3"])
    for bit in range(512):
        flipped = (int.from_bytes(signature, "little") ^ 1 << bit).to_bytes(64, "little")
        assert checked(key, flipped, message) == [False, False]


@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 96, 128])
def test_a_signature_has_sixty_four_bytes(length: int) -> None:
    """Shorter, longer, or followed by something: not a signature."""
    _, key, message, signature = map(bytes.fromhex, RFC_8032["TEST 2"])
    assert checked(key, (signature * 2)[:length], message) == [False, False]
    assert [bind(key)(signature + message, b"") for bind in BACKENDS] == [False, False]


SECRET, NONCE = 0x1234567890ABCDEF << 150, 0xFEDCBA0987654321 << 170
POINT, COMMITMENT = edwards.multiply(SECRET, edwards.BASE), edwards.multiply(NONCE, edwards.BASE)


def made(a: bytes, r: bytes, message: bytes, nonce: int = NONCE, more: int = 0) -> bytes:
    """A signature by whoever knows SECRET, over any spelling of the key and any R; `more` times L is added to S."""
    s = (nonce + edwards.challenge(r, a, message) * SECRET) % edwards.L
    return r + (s + more * edwards.L).to_bytes(32, "little")


def test_mixed_order_is_judged_without_the_cofactor() -> None:
    """A key or R with a part of small order verifies exactly where the equation holds with that part, in both.

    A library that multiplies by the cofactor would accept all of these; then two of our own services, one with
    libsodium and one without, would disagree about who signed.
    """
    seen = set()
    for i, torsion_a in enumerate(edwards.TORSION):
        a = edwards.encode(edwards.add(POINT, torsion_a))
        for j, torsion_r in enumerate(edwards.TORSION):
            r = edwards.encode(edwards.add(COMMITMENT, torsion_r))
            for message in (b"", b"one", b"two", b"three"):
                holds = (j + edwards.challenge(r, a, message) * i) % 8 == 0
                assert verdicts(a, made(a, r, message), message) == [holds, holds]
                seen.add((i > 0 or j > 0, holds))
    assert seen == {(False, True), (True, True), (True, False)}


@pytest.mark.parametrize("more", range(1, 16))
def test_s_has_one_spelling(more: int) -> None:
    """S + L is the same number: accepted, it would make a second signature out of each (RFC 8032 section 5.1.7)."""
    a, r = edwards.encode(POINT), edwards.encode(COMMITMENT)
    assert verdicts(a, made(a, r, b"message"), b"message") == [True, True]
    assert verdicts(a, made(a, r, b"message", more=more), b"message") == [False, False]


def test_r_of_small_order_is_refused() -> None:
    """With R of small order and a matching S the equation holds, or would: refused in all fourteen spellings."""
    a = edwards.encode(POINT)
    plain_equation_held = 0
    for point in edwards.TORSION:
        for r in edwards.spellings(point):
            for message in (b"", b"message"):
                signature = made(a, r, message, nonce=0)
                assert verdicts(a, signature, message) == [False, False]
                key = ed25519.Ed25519PublicKey.from_public_bytes(a)
                plain_equation_held += _accepts(key, signature, message)
    assert (
        plain_equation_held
    )  # else this would test nothing: the library alone says yes to the neutral point


def _accepts(key: ed25519.Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except Exception:
        return False
    return True


def test_r_has_one_spelling() -> None:
    """Bytes of R with y of p or more never verify, whatever S is."""
    a = edwards.encode(POINT)
    for y in range(edwards.P, 2**255):
        for sign in (0, 2**255):
            r = (y + sign).to_bytes(32, "little")
            assert verdicts(a, made(a, r, b"message"), b"message") == [False, False]


def test_the_universal_signature_verifies_nothing() -> None:
    """With the identity as key one fixed signature fits every message; such a key, and the like, is never taken."""
    signature = edwards.encode(COMMITMENT) + (NONCE % edwards.L).to_bytes(32, "little")
    library = ed25519.Ed25519PublicKey.from_public_bytes(edwards.encode(edwards.NEUTRAL))
    assert all(_accepts(library, signature, message) for message in (b"", b"one", b"two"))
    for point in edwards.TORSION:
        for key in edwards.spellings(point):
            for number in range(8):
                assert verdicts(key, signature, b"%d" % number) == [False, False]


def test_a_non_canonical_key_is_never_taken() -> None:
    """A second spelling of a key would be a second thumbprint, a second agent with one secret."""
    for y in range(edwards.P, 2**255):
        for sign in (0, 2**255):
            assert verdicts((y + sign).to_bytes(32, "little"), bytes(64), b"") == [False, False]


@pytest.mark.parametrize(
    ("shape", "name", "size"),
    [(ec.SECP256R1(), "ecdsa-p256-sha256", 64), (ec.SECP384R1(), "ecdsa-p384-sha384", 96)],
    ids=["P-256", "P-384"],
)
def test_ecdsa(shape: ec.EllipticCurve, name: str, size: int) -> None:
    """Both numbers stand side by side in fixed length; zero, the group's order and other lengths are no signature."""
    key = ec.generate_private_key(shape)
    alg, check = ecdsa_checker(key.public_key())
    signature = algorithms.sign(key, b"message")
    assert (alg, len(signature), check(signature, b"message")) == (name, size, True)
    assert not check(signature, b"messagf")
    assert not check(signature[::-1], b"message")
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(size), b"\xff" * size):
        assert not check(wrong, b"message")
    assert not check(signature[: size // 2] + bytes(size // 2), b"message")


def test_rsa_pss() -> None:
    """SHA-512 and a salt of 64 bytes; a wrong length or value is False and no error."""
    key = rsa.generate_private_key(65537, 2048)
    check = rsa_pss_checker(key.public_key())
    signature = algorithms.sign(key, b"message")
    assert (len(signature), check(signature, b"message")) == (256, True)
    assert not check(signature, b"messagf")
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(256), b"\xff" * 256):
        assert not check(wrong, b"message")


WITHOUT_LIBSODIUM = """
import sys
sys.modules["nacl"] = sys.modules["nacl.bindings"] = sys.modules["nacl.exceptions"] = None
from vestry_signatures import Policy, Request, algorithms, generate, sign, verify
assert not algorithms.HAVE_LIBSODIUM
assert algorithms.ed25519_checker is algorithms.ed25519_by_cryptography
key = generate()
request = Request.of("GET", "https://tool.example/", [])
headers = sign(request, key, created=1000, agent_url="https://agent.example")
signed = Request.of("GET", "https://tool.example/", headers.items())
[proof] = verify(signed, lambda agent, keyid: key.public, Policy(), 1000)
assert not key.public.check(bytes(64), proof.base)
"""


def test_without_libsodium() -> None:
    """`pip install vestry` alone brings no PyNaCl: everything works without it."""
    assert algorithms.HAVE_LIBSODIUM
    assert algorithms.ed25519_checker is algorithms.ed25519_by_libsodium
    subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_LIBSODIUM], check=True, timeout=30)
