"""The signature base: every signature that RFC 9421 prints is rebuilt and checked."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

import vectors
from vestry_signatures import Request, Signature, fields
from vestry_signatures.algorithms import (
    Checker,
    ecdsa_checker,
    ed25519_by_cryptography,
    ed25519_by_libsodium,
    rsa_pss_checker,
)
from vestry_signatures.base import signature_base
from vestry_signatures.components import Component, value_of
from vestry_signatures.errors import MalformedSignature
from vestry_signatures.keys import decode_base64url
from vestry_signatures.signature import read_components, read_signature


def number(jwk: dict[str, str], name: str) -> int:
    """A number of a JWK."""
    return int.from_bytes(decode_base64url(jwk[name], name), "big")


def rsa_key(jwk: dict[str, str]) -> rsa.RSAPublicKey:
    """The RSA key of a JWK."""
    return rsa.RSAPublicNumbers(number(jwk, "e"), number(jwk, "n")).public_key()


def check_rsa_v1_5(key: rsa.RSAPublicKey) -> Checker:
    """RSA v1.5 with SHA-256 (section 3.3.2), which the code itself does not offer."""

    def check(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    return check


def check_hmac(secret: bytes) -> Checker:
    """HMAC with SHA-256 (section 3.3.3), which the code itself does not offer."""
    return lambda signature, message: hmac.compare_digest(
        hmac.new(secret, message, hashlib.sha256).digest(), signature
    )


def both_ed25519(raw: bytes) -> Checker:
    """Both libraries, which must agree."""
    checkers = [ed25519_by_cryptography(raw), ed25519_by_libsodium(raw)]

    def check(signature: bytes, message: bytes) -> bool:
        (verdict,) = {check(signature, message) for check in checkers}
        return verdict

    return check


def ec_key(jwk: dict[str, str]) -> ec.EllipticCurvePublicKey:
    """The P-256 key of a JWK."""
    return ec.EllipticCurvePublicNumbers(number(jwk, "x"), number(jwk, "y"), ec.SECP256R1()).public_key()


CHECKERS: dict[str, Callable[[dict[str, Any]], Checker]] = {
    "rsa-pss-sha512": lambda key: rsa_pss_checker(rsa_key(key["jwk"])),
    "rsa-v1_5-sha256": lambda key: check_rsa_v1_5(rsa_key(key["jwk"])),
    "ecdsa-p256-sha256": lambda key: ecdsa_checker(ec_key(key["jwk"]))[1],
    "ed25519": lambda key: both_ed25519(decode_base64url(key["jwk"]["x"], "x")),
    "hmac-sha256": lambda key: check_hmac(base64.b64decode(key["secret_b64"])),
}


def request_of(message: dict[str, Any]) -> Request:
    """A message of the appendix; a response becomes a request that carries the same headers."""
    headers = [(name, value) for name, value in message["headers"]]
    return Request.of(message.get("method", "GET"), message.get("url", "https://response.invalid/"), headers)


def response_base(response: dict[str, Any], request: Request | None, signature: Signature) -> bytes:
    """A base over a response, put together from parts: our own derivation of fields, and of the related request."""
    lines = []
    for part in signature.covered:
        parameters = {name: value for name, value in part.parameters.items() if name != "req"}
        bare = Component(part.name, parameters, part.identifier)
        if "req" in part.parameters:
            assert request is not None
            value = value_of(request, bare)
        elif part.name == "@status":
            value = str(response["status"])
        else:
            value = value_of(request_of(response), bare)
        lines.append(f"{part.identifier}: {value}")
    return "\n".join([*lines, f'"@signature-params": {signature.parameters}']).encode()


def _cases() -> Iterator[tuple[str, Any]]:
    appendix = vectors.load("rfc9421/appendix-b.json")
    for case in appendix["cases"]:
        related = appendix["messages"].get(case.get("related_request"))
        yield (
            case["id"],
            (case, appendix["messages"][case["message"]], related, appendix["keys"][case["keyid"]]),
        )


def read(case: dict[str, Any]) -> Signature:
    """The signature of a case, read from its two headers."""
    member = fields.parse_dictionary(case["signature_input_header"])[case["label"]]
    value, _ = fields.parse_dictionary(case["signature_header"])[case["label"]]
    return read_signature(case["label"], member, value)


@pytest.mark.parametrize("case", vectors.cases(_cases))
def test_signature_cases_of_rfc_9421(
    case: tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None, Any],
) -> None:
    """Every printed base is rebuilt to the byte and every printed signature has the printed verdict.

    A request goes through the code as it is. A signature over a response is refused by it, since `@status` and `req`
    are not a request's; put together from our parts, its base is the printed one all the same.
    """
    facts, message, related, key = case
    signature = read(facts)
    assert signature.parameters == facts["signature_params"]
    assert signature.value == base64.b64decode(facts["signature_b64"])
    if message["type"] == "request":
        base = signature_base(request_of(message), signature.covered, signature.parameters)
    else:
        with pytest.raises(MalformedSignature):
            signature_base(request_of(message), signature.covered, signature.parameters)
        base = response_base(message, request_of(related) if related else None, signature)
    if facts["signature_base"] is not None:
        assert base.decode() == facts["signature_base"]
    assert CHECKERS[facts["alg"]](key)(signature.value, base) is facts["valid"]


@vectors.needs_vectors
def test_the_signature_cases_are_all_there() -> None:
    """Twenty cases, of which three must fail and three are signatures over a response."""
    found = [case for _, case in _cases()]
    assert len(found) == 20
    assert sum(not facts["valid"] for facts, *_ in found) == 3
    responses = [facts["id"] for facts, message, *_ in found if message["type"] == "response"]
    assert responses == ["B.2.4", "2.4-reqres", "2.4-reqres-signed"]


B_2_6_HEADERS = [
    ("Host", "example.com"),
    ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("Content-Type", "application/json"),
    ("Content-Length", "18"),
]
B_2_6_PARAMETERS = (
    '("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"'
)
B_2_6_BASE = f"""\
"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": {B_2_6_PARAMETERS}"""
B_2_6_VALUE = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
B_2_6_KEY = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"


def b_2_6(url: str = "https://example.com/foo?param=Value&Pet=dog", **changes: str) -> bytes:
    """The base of appendix B.2.6, with some header lines replaced."""
    headers = [(name, changes.get(name.lower().replace("-", "_"), value)) for name, value in B_2_6_HEADERS]
    items, _ = fields.parse_dictionary(f"sig={B_2_6_PARAMETERS}")["sig"]
    return signature_base(Request.of("POST", url, headers), read_components(items), B_2_6_PARAMETERS)


def test_appendix_b_2_6() -> None:
    """The ed25519 example, written out: a base to the byte, and a signature that verifies."""
    assert b_2_6().decode() == B_2_6_BASE
    assert both_ed25519(decode_base64url(B_2_6_KEY, "x"))(base64.b64decode(B_2_6_VALUE), b_2_6())


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://example.com/fop"},
        {"url": "https://example.org/foo"},
        {"url": "https://example.com:8443/foo"},
        {"date": "Tue, 20 Apr 2021 02:07:56 GMT"},
        {"content_type": "application/JSON"},
        {"content_length": "19"},
    ],
)
def test_whatever_is_covered_counts(changed: dict[str, str]) -> None:
    """A covered thing that is changed makes another base, with which the signature does not verify."""
    base = b_2_6(**changed)
    assert not both_ed25519(decode_base64url(B_2_6_KEY, "x"))(base64.b64decode(B_2_6_VALUE), base)


def test_whatever_is_not_covered_does_not() -> None:
    """The query and the host header are not covered there, and the scheme's port is no difference."""
    assert b_2_6("HTTPS://EXAMPLE.com:443/foo?other", host="evil.example") == b_2_6()


def test_an_empty_list_of_components_has_one_line() -> None:
    """Section 2.5: the last line is always there, without a line break after it."""
    assert (
        signature_base(Request.of("GET", "https://a.example", []), (), "();x") == b'"@signature-params": ();x'
    )


def test_only_ascii_is_signed() -> None:
    """A header outside ASCII can be covered with `bs` alone."""
    request = Request.of("GET", "https://a.example", [("x", "é")])
    with pytest.raises(MalformedSignature):
        signature_base(request, read_components([("x", {})]), "()")
    assert b":w6k=:" in signature_base(request, read_components([("x", {"bs": True})]), "()")
