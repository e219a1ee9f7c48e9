"""Every reason of the wire contract stands on one class, with its status and outcome."""

import pytest

from vestry_signatures import errors
from vestry_signatures.errors import VestryError

CONTRACT = {
    ("unsigned", 401): "MISSING_SIGNATURE_INPUT MISSING_SIGNATURE",
    ("invalid", 401): """
        MALFORMED_SIGNATURE MISSING_SIGNATURE_AGENT INVALID_SIGNATURE_AGENT UNTRUSTED_SIGNATURE_AGENT MISSING_NONCE
        WRONG_TAG UNSUPPORTED_ALG INSUFFICIENT_COVERAGE WRONG_AUTHORITY EXPIRED_SIGNATURE NOT_YET_VALID
        LIFETIME_TOO_LONG INVALID_SIGNATURE CONTENT_DIGEST_MISMATCH REPLAYED_NONCE REVOKED_KEY SUSPENDED_AGENT""",
    ("unverified", 401): "UNKNOWN_KEY",
    ("unverified", 503): "DIRECTORY_UNREACHABLE REPLAY_STORE_UNAVAILABLE DATABASE_UNAVAILABLE",
    (None, 422): "INVALID_JWK PRIVATE_KEY_EXPOSED WEAK_KEY",
    (None, 400): "MISSING_PUBLIC_JWK MISSING_HTTP_METHOD MISSING_URI INVALID_URI MALFORMED_REQUEST",
}


def _leaves(base: type[VestryError]) -> list[type[VestryError]]:
    below = base.__subclasses__()
    return [leaf for each in below for leaf in _leaves(each)] if below else [base]


CLASSES = [leaf for leaf in _leaves(VestryError) if leaf.__module__ == errors.__name__]


def test_reasons_are_those_of_the_contract() -> None:
    """Every reason that signature code can give is there once, with the promised status and outcome."""
    promised = {reason: facts for facts, reasons in CONTRACT.items() for reason in reasons.split()}
    assert {leaf.reason: (leaf.outcome, leaf.status) for leaf in CLASSES} == promised
    assert len(CLASSES) == len(promised)


@pytest.mark.parametrize("leaf", CLASSES, ids=lambda leaf: leaf.reason)
def test_every_error_has_calm_words(leaf: type[VestryError]) -> None:
    """A sentence of its own, or the one it is given; and where trying again helps, in how many seconds."""
    assert str(leaf()) == leaf.text
    assert leaf.text != VestryError.text
    assert str(leaf("other words")) == "other words"
    assert (leaf.retry_after is not None) == (leaf.status == 503)


def test_an_unforeseen_error_says_nothing() -> None:
    """The base class is what a caller sees of a fault that nobody foresaw."""
    assert (VestryError.status, VestryError.reason, VestryError.outcome) == (500, "INTERNAL_ERROR", None)
