"""Which keys are taken, under which name, and why every other is refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

import edwards
import vectors
from vestry_signatures import PrivateKey, generate, public_key, thumbprint
from vestry_signatures.algorithms import SUPPORTED
from vestry_signatures.errors import InvalidJwk, PrivateKeyExposed, WeakKey
from vestry_signatures.keys import PRIVATE_MEMBERS, decode_base64url, encode_base64url

EVERY = frozenset(SUPPORTED)
X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
OKP = {"kty": "OKP", "crv": "Ed25519", "x": X}
KID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
"""The thumbprint that RFC 8037 appendix A.3 prints for that key."""


@pytest.fixture(scope="module")
def ec_jwk() -> dict[str, str]:
    """The public members of a P-256 key."""
    return _members(PrivateKey(ec.generate_private_key(ec.SECP256R1())))


@pytest.fixture(scope="module")
def rsa_jwk() -> dict[str, str]:
    """The public members of an RSA key of 2048 bits."""
    return _members(PrivateKey(rsa.generate_private_key(65537, 2048)))


def _members(key: PrivateKey) -> dict[str, str]:
    return {name: value for name, value in key.public.jwk.items() if name != "kid"}


def number(value: int, size: int | None = None) -> str:
    """A number as JWK writes it."""
    return encode_base64url(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


RFC_7638 = (
    # section 3.1
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn"
    "64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n"
    "91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
)


def test_thumbprint_of_rfc_7638() -> None:
    """The printed RSA key has the printed thumbprint, whatever else stands in the JWK."""
    jwk = {"kty": "RSA", "n": RFC_7638, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    with pytest.raises(WeakKey):  # RFC 7517 A.2 prints its private half
        public_key(jwk, EVERY)


def _thumbprints() -> Iterator[tuple[str, Any]]:
    for case in vectors.load("cloudflare-web-bot-auth/jwk_thumbprint_vectors.json"):
        yield f"cloudflare-{case['name']}", (json.loads(case["jwk"]), case["thumbprint"])
    for name, key in vectors.load("rfc9421/appendix-b.json")["keys"].items():
        if "jwk" in key:
            yield f"rfc9421-{name}", (key["jwk"], key["rfc7638_thumbprint"])


@pytest.mark.parametrize("case", vectors.cases(_thumbprints))
def test_thumbprint_vectors(case: tuple[dict[str, Any], str]) -> None:
    """Cloudflare's vectors and the keys of RFC 9421 have the thumbprints that others computed."""
    jwk, expected = case
    assert thumbprint(jwk) == expected


@given(st.permutations([*OKP.items(), ("kid", "x"), ("a", 1), ("y", None), ("é", [])]))
def test_the_order_of_members_does_not_matter(members: list[tuple[str, Any]]) -> None:
    """A thumbprint is of the required members alone, in an order of its own."""
    assert thumbprint(dict(members)) == KID


def test_a_key_is_reduced_to_what_makes_it() -> None:
    """Only kty, crv, x and our own kid are kept; a kid that was sent is not believed."""
    mine = _members(generate())
    key = public_key({**mine, "kid": "somebody-else", "use": "sig", "nbf": 1, "x5c": ["…"], "alg": "EdDSA"})
    assert key.jwk == {**mine, "kid": thumbprint(mine)}
    assert (key.kid, key.alg) == (thumbprint(mine), "ed25519")


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
@pytest.mark.parametrize("value", ["secret", "", None, 0, [], False])
@pytest.mark.parametrize("base", [OKP, {}, {"kty": "RSA"}, {"kty": 1, "x": "!"}])
def test_private_members_come_first(member: str, value: object, base: dict[str, object]) -> None:
    """Whatever else is wrong, and even where it is null: the owner must learn that the key is exposed."""
    assert member in PRIVATE_MEMBERS
    with pytest.raises(PrivateKeyExposed) as caught:
        public_key({**base, member: value})
    assert "secret" not in str(caught.value)
    assert "exposed" in str(caught.value)


@pytest.mark.parametrize(
    "jwk", [None, [], [OKP], "OKP", json.dumps(OKP), 0, 1.5, True, b"{}", {}, {"keys": [OKP]}]
)
def test_a_jwk_is_an_object(jwk: object) -> None:
    """A list, a number, text or nothing is no key."""
    with pytest.raises(InvalidJwk):
        public_key(jwk, EVERY)


@pytest.mark.parametrize("kty", [None, "", "okp", "oct", "AKP", 1, True, ["OKP"], {"OKP": 1}, "OKP "])
def test_key_types(kty: object) -> None:
    """OKP, EC and RSA are known, spelled as registered."""
    with pytest.raises(InvalidJwk):
        public_key({**OKP, "kty": kty}, EVERY)


@pytest.mark.parametrize(
    "crv", [None, "", "ed25519", "X25519", "Ed448", "P-256", 1, ["Ed25519"], "Ed25519\0"]
)
def test_okp_curves(crv: object) -> None:
    """Of the OKP curves only Ed25519 signs here."""
    with pytest.raises(InvalidJwk):
        public_key({**OKP, "crv": crv}, EVERY)


@pytest.mark.parametrize(
    "x",
    [
        None,
        1,
        ["a"],
        b"a",
        "",
        "A",
        X[:-1],
        X + "A",
        X + "=",
        X + "==",
        X[:-1] + "p",
        X[:-1] + "r",
        X.replace("_", "/"),
        X.replace("_", "/") + "=",
        X[:20] + "+" + X[21:],
        X[:20] + "=" + X[21:],
        X + "\n",
        " " + X,
        X[:20] + " " + X[20:],
        X[:20] + "\n" + X[21:],
        X[:20] + "é" + X[21:],
        X[:20] + "\0" + X[21:],
        X[:20] + "\ud800" + X[21:],
        encode_base64url(bytes(31)),
        encode_base64url(bytes(33)),
        encode_base64url(bytes(64)),
        encode_base64url(b"\x02" + bytes(31)),
        "A" * 100_000,
    ],
)
def test_x_has_one_spelling(x: object) -> None:
    """32 bytes of base64url without padding or stray bits, and a point of the curve: else one key had two names."""
    with pytest.raises(InvalidJwk):
        public_key({**OKP, "x": x})


def _weak_points() -> list[bytes]:
    small = [spelling for point in edwards.TORSION for spelling in edwards.spellings(point)]
    beyond = [(y + sign).to_bytes(32, "little") for y in range(edwards.P, 2**255) for sign in (0, 2**255)]
    return list(dict.fromkeys(small + beyond))


@pytest.mark.parametrize("raw", _weak_points(), ids=bytes.hex)
def test_points_anybody_can_sign_with(raw: bytes) -> None:
    """Points of small order and second spellings are weak, in every spelling."""
    with pytest.raises(WeakKey):
        public_key({**OKP, "x": encode_base64url(raw)})


PRINTED = {
    # the public members of keys in RFC 9421 appendix B.1
    "test-key-ed25519": {"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"},
    "test-key-ecc-p256": {
        "kty": "EC",
        "crv": "P-256",
        "x": "qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA",
        "y": "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0",
    },
    # RFC 8037 A.1 and RFC 8032 section 7
    "TEST 1": OKP,
    "TEST 2": {"kty": "OKP", "crv": "Ed25519", "x": "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"},
    "TEST 3": {"kty": "OKP", "crv": "Ed25519", "x": "_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU"},
    "TEST 1024": {"kty": "OKP", "crv": "Ed25519", "x": "J4EX_BRMcjQPZ9DyMW6Dhs7_vyskKMnFH-98WX8dQm4"},
    "TEST SHA(abc)": {"kty": "OKP", "crv": "Ed25519", "x": "7Bcrk61eVjv0kyxw4SRQNMNUZ-8u_U1k6_gZaDRn4r8"},
    "Ed25519ctx": {"kty": "OKP", "crv": "Ed25519", "x": "38lCXk-Wj38MKfAlnPX5rtaFHCu0rYv7hgz-4KskgpI"},
    # RFC 7517 A.2 and RFC 7515 A.3
    "RFC 7517": {
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    },
    "RFC 7515": {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    },
}


@pytest.mark.parametrize("name", PRINTED)
def test_printed_keys(name: str) -> None:
    """Everybody has the private half of a key that an RFC prints."""
    with pytest.raises(WeakKey):
        public_key(PRINTED[name], EVERY)


def _printed() -> Iterator[tuple[str, Any]]:
    for name, key in vectors.load("rfc9421/appendix-b.json")["keys"].items():
        if "jwk" in key:
            yield name, key["jwk"]


@pytest.mark.parametrize("jwk", vectors.cases(_printed))
def test_printed_keys_of_the_vectors(jwk: dict[str, Any]) -> None:
    """All four printed key pairs are weak; sent with their private half, they are exposed."""
    public = {name: value for name, value in jwk.items() if name not in PRIVATE_MEMBERS}
    with pytest.raises(WeakKey):
        public_key(public, EVERY)
    with pytest.raises(PrivateKeyExposed):
        public_key(jwk, EVERY)


@pytest.mark.parametrize(
    ("shape", "name"), [(ec.SECP256R1(), "P-256"), (ec.SECP384R1(), "P-384")], ids=["256", "384"]
)
def test_ec_keys(shape: ec.EllipticCurve, name: str) -> None:
    """P-256 and P-384 keys are taken where their algorithm is accepted, and nowhere else."""
    jwk = PrivateKey(ec.generate_private_key(shape)).public.jwk
    assert jwk["crv"] == name
    assert public_key(jwk, EVERY).kid == thumbprint(jwk)
    with pytest.raises(InvalidJwk):
        public_key(jwk)


@pytest.mark.parametrize(
    "changes",
    [
        {"crv": "P-521"},
        {"crv": "P-384"},
        {"crv": "secp256k1"},
        {"crv": None},
        {"x": None},
        {"y": None},
        {"y": 1},
        {"x": "é"},
        {"x": number(0, 32), "y": number(0, 32)},
        {"x": number(1, 32)},
        {"x": number(2**256 - 1)},
        {"x": number(1)},
        {"y": ""},
        {"x": number(1, 33)},
        {"x": number(1, 32) + "="},
    ],
)
def test_ec_keys_refused(ec_jwk: dict[str, str], changes: dict[str, object]) -> None:
    """Another curve, a coordinate of another length, and what is no point: the point at infinity has no spelling."""
    with pytest.raises(InvalidJwk):
        public_key(ec_jwk | changes, EVERY)


def test_ec_coordinates_have_one_length(ec_jwk: dict[str, str]) -> None:
    """The same number with a zero byte in front would be the same key under a second thumbprint."""
    for name in ("x", "y"):
        longer = encode_base64url(b"\0" + decode_base64url(ec_jwk[name], name))
        with pytest.raises(InvalidJwk):
            public_key(ec_jwk | {name: longer}, EVERY)


def test_rsa_keys(rsa_jwk: dict[str, str]) -> None:
    """RSA keys sign with rsa-pss-sha512, where that is accepted."""
    key = public_key({**rsa_jwk, "alg": "RS256"}, EVERY)
    assert (key.alg, key.jwk) == ("rsa-pss-sha512", {**rsa_jwk, "kid": thumbprint(rsa_jwk)})
    with pytest.raises(InvalidJwk):
        public_key(rsa_jwk)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"n": number(2**2047 - 1)}, WeakKey),
        ({"n": number(2**1023 + 1)}, WeakKey),
        ({"n": number(2**4096 + 1)}, WeakKey),
        ({"n": number(2**100_000 + 1)}, WeakKey),
        ({"n": number(15)}, WeakKey),
        ({"e": number(1)}, WeakKey),
        ({"e": number(3)}, WeakKey),
        ({"e": number(65536)}, WeakKey),
        ({"e": number(2**32)}, WeakKey),
        ({"e": number(2**32 + 1)}, WeakKey),
        ({"e": number(2**2000 + 1)}, WeakKey),
        ({"e": number(65538)}, InvalidJwk),
        ({"e": number(65537, 4)}, InvalidJwk),
        ({"n": number(2**2047 + 1, 257)}, InvalidJwk),
        ({"e": ""}, InvalidJwk),
        ({"e": "AQAB="}, InvalidJwk),
        ({"e": 65537}, InvalidJwk),
        ({"n": None}, InvalidJwk),
        ({"n": ""}, InvalidJwk),
        ({"n": "+/"}, InvalidJwk),
    ],
)
def test_rsa_keys_refused(
    rsa_jwk: dict[str, str], changes: dict[str, object], error: type[Exception]
) -> None:
    """Too small or too large to be safe or cheap, or numbers with a second spelling."""
    with pytest.raises(error):
        public_key(rsa_jwk | changes, EVERY)


@pytest.mark.parametrize("n", [2**2047 + 1, 2**4096 - 1], ids=["least", "most"])
def test_rsa_sizes_at_the_edges(rsa_jwk: dict[str, str], n: int) -> None:
    """2048 and 4096 bits are in, and the largest exponent of 32 bits."""
    assert public_key({**rsa_jwk, "n": number(n), "e": number(2**32 - 1)}, EVERY).alg == "rsa-pss-sha512"


def test_refusals_never_show_the_key() -> None:
    """No message repeats what was sent."""
    for jwk in ({**OKP, "x": "not!base64"}, {**OKP, "crv": "hidden"}, {"kty": "hidden"}):
        with pytest.raises(InvalidJwk) as caught:
            public_key(jwk)
        assert not {"not!base64", "hidden"} & set(str(caught.value).replace('"', " ").split())


@given(st.binary(max_size=100))
def test_base64url_round_trip(data: bytes) -> None:
    """Bytes survive, and no padding is written."""
    text = encode_base64url(data)
    assert "=" not in text
    assert decode_base64url(text, "x") == data


@given(st.text(alphabet="AQgwBCDaz09-_+/= \n", max_size=12))
def test_base64url_has_one_spelling(text: str) -> None:
    """Whatever decodes is exactly what encoding writes."""
    try:
        data = decode_base64url(text, "x")
    except InvalidJwk:
        return
    assert encode_base64url(data) == text


def test_generated_keys_are_taken() -> None:
    """Every key that is made here passes the rules for keys from outside."""
    for _ in range(20):
        jwk = generate().public.jwk
        assert public_key(jwk).jwk == jwk
