"""What of a foreign directory is taken, and what is not."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from vestry_signatures import PrivateKey, generate
from vestry_verifier.foreign.jwks import MAX_KEYS, MEDIA_TYPE, NotADirectory, read_jwks, require_media_type

KEY = generate().public
JWK = KEY.jwk
BARE = {name: value for name, value in JWK.items() if name != "kid"}


def kids(*keys: Any, well_known: bool = True) -> list[str]:
    """The kids of the keys that are taken."""
    return [key.jwk["kid"] for key in read_jwks(json.dumps({"keys": keys}).encode(), well_known)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>not found</body></html>",
        b"[]",
        b"null",
        b'"keys"',
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b'{"keys": [], "keys": []}',
        b'{"keys": [{"kty": "OKP", "kty": "RSA"}]}',
        b'{"keys": [NaN]}',
        b'{"keys": [\xff]}',
        b"[" * 60_000,
        b'{"keys": [1' + b"0" * 5000 + b"]}",
        json.dumps({"keys": [BARE] * (MAX_KEYS + 1)}).encode(),
        json.dumps({"keys": [{}] * 10_000}).encode(),
    ],
)
def test_what_is_no_directory(body: bytes) -> None:
    """HTML, another JSON, JSON that can be read in two ways, or too many keys: no directory at all."""
    with pytest.raises(NotADirectory):
        read_jwks(body, well_known=True)


def test_an_empty_directory() -> None:
    """A directory without keys is one: all were removed."""
    assert kids() == []


def test_keys_of_every_accepted_kind() -> None:
    """Ed25519, ECDSA and RSA keys are read, with their own kids; which of them may sign is for ALGORITHMS to say."""
    keys = [
        generate().public,
        PrivateKey(ec.generate_private_key(ec.SECP256R1())).public,
        PrivateKey(ec.generate_private_key(ec.SECP384R1())).public,
        PrivateKey(rsa.generate_private_key(65537, 2048)).public,
    ]
    assert kids(*(key.jwk for key in keys)) == [key.kid for key in keys]


@pytest.mark.parametrize(
    "spoilt",
    [
        None, 1, "key", [], {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "oct"},
        {**BARE, "d": "AAAA"},
        {**BARE, "kid": "mine"},
        {**BARE, "kid": 1},
        {**BARE, "kid": None},
        {**BARE, "use": "enc"},
        {**BARE, "use": None},
        {**BARE, "key_ops": ["sign"]},
        {**BARE, "key_ops": "verify"},
        {**BARE, "alg": "HS256"},
        {**BARE, "alg": "RS256"},
        {**BARE, "alg": "hmac-sha256"},
        {**BARE, "alg": "rsa-v1_5-sha256"},
        {**BARE, "alg": ["EdDSA"]},
        {**BARE, "nbf": "1"},
        {**BARE, "nbf": 1.5},
        {**BARE, "exp": -1},
        {**BARE, "exp": True},
        {**BARE, "exp": None},
        {**BARE, "exp": 2**60},
        {"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43},
        {"kty": "OKP", "crv": "X25519", "x": BARE["x"]},
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_used_spoils_no_other(spoilt: Any) -> None:
    """Keys of other kinds, exposed, printed in an RFC, or for something else are left out; the good one stays."""
    good = generate().public
    assert kids(spoilt, good.jwk) == [good.kid]


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519", "ed25519"])
def test_names_of_an_algorithm(alg: str) -> None:
    """Both registries' names are known."""
    assert kids({**BARE, "alg": alg, "use": "sig", "key_ops": ["verify"]}) == [KEY.kid]


def test_kid_that_is_not_the_thumbprint() -> None:
    """At the well-known path it must be the thumbprint; elsewhere it is a label, and the thumbprint is computed."""
    labelled = {**BARE, "kid": "2026-11"}
    assert kids(labelled) == []
    assert kids(labelled, well_known=False) == [KEY.kid]
    assert kids({**BARE, "kid": generate().public.kid}) == []


def test_duplicate_kids() -> None:
    """Of two keys under one kid each is known by its own thumbprint, and at the well-known path one is left out."""
    thief = generate().public
    posing = {**thief.jwk, "kid": KEY.kid}
    assert kids(JWK, posing) == kids(posing, JWK) == [KEY.kid]
    assert kids(JWK, posing, well_known=False) == [KEY.kid, thief.kid]


def test_a_key_given_twice_in_two_ways() -> None:
    """Nobody can tell which one is meant; the same thing said twice is one thing."""
    assert kids({**JWK, "exp": 1}, {**JWK, "exp": 2}) == []
    assert kids({**JWK, "exp": 1}, JWK, {**JWK, "exp": 1}) == []
    assert kids(JWK, BARE) == [KEY.kid]


def test_times_are_kept() -> None:
    """`nbf` and `exp` come along."""
    [key] = read_jwks(json.dumps({"keys": [{**JWK, "nbf": 5, "exp": 7}]}).encode(), well_known=True)
    assert key == (JWK, 5, 7)


@pytest.mark.parametrize(
    ("kind", "at_well_known", "elsewhere"),
    [
        (MEDIA_TYPE, True, True),
        (f"{MEDIA_TYPE.upper()}; charset=utf-8", True, True),
        ("application/json", False, True),
        ("application/jwk-set+json", False, True),
        ("text/html", False, False),
        ("text/plain", False, False),
        ("application/octet-stream", False, False),
        ("", False, False),
        (f"text/html, {MEDIA_TYPE}", False, False),
    ],
)
def test_media_types(kind: str, at_well_known: bool, elsewhere: bool) -> None:
    """A directory says what it is; HTML or text that anybody may put on a shared host is none."""
    for well_known, accepted in ((True, at_well_known), (False, elsewhere)):
        if accepted:
            require_media_type(kind, well_known)
        else:
            with pytest.raises(NotADirectory):
                require_media_type(kind, well_known)
