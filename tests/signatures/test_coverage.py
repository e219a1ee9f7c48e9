"""What counts as covered: a component by itself, or by one that says the same and more."""

import pytest

from vestry_signatures.coverage import covers, read_required, require_covered
from vestry_signatures.errors import InsufficientCoverage
from vestry_signatures.fields import parse_field
from vestry_signatures.signature import read_components


def covered(text: str) -> tuple[object, ...]:
    [(items, _)] = parse_field(f"({text})", "list")
    return read_components(items)


@pytest.mark.parametrize(
    ("wanted", "by"),
    [
        ("@method", '"@method"'),
        ("@path", '"@path"'),
        ("@path", '"@target-uri"'),
        ("@path", '"@request-target"'),
        ("@query", '"@request-target"'),
        ("@scheme", '"@target-uri"'),
        ("@authority", '"@target-uri"'),
        ("@request-target", '"@target-uri"'),
        ('"@query-param";name="id"', '"@query-param";name="id"'),
        ('"@query-param";name="id"', '"@query"'),
        ("content-type", '"content-type"'),
        ("content-type", '"x" "content-type";bs'),
        ("content-digest", '"content-digest";sf'),
        ("content-digest", '"content-digest";key="sha-256"'),
        ("content-digest", '"content-digest";key="sha-512"'),
        ('"content-digest";key="sha-256"', '"content-digest"'),
        ('"priority";key="u"', '"priority";sf'),
        ('"priority";key="u"', '"priority";key="u"'),
    ],
)
def test_covered(wanted: str, by: str) -> None:
    """Whoever covers as much or more has covered enough."""
    assert covers(covered(by), read_required(wanted))


@pytest.mark.parametrize(
    ("wanted", "by"),
    [
        ("@method", '"@authority"'),
        ("@method", '"@target-uri" "@request-target"'),
        ("@target-uri", '"@scheme" "@authority" "@path"'),
        ("@query", '"@path"'),
        ("@query", '"@query-param";name="id"'),
        ('"@query-param";name="id"', '"@query-param";name="ide"'),
        ("@authority", '"@request-target"'),
        ("content-digest", '"content-type"'),
        ("content-digest", '"content-digest";key="md5"'),
        ("content-digest", '"repr-digest"'),
        ('"content-digest";key="sha-512"', '"content-digest";key="sha-256"'),
        ("priority", '"priority";key="u"'),
        ("content-digest", ""),
    ],
)
def test_not_covered(wanted: str, by: str) -> None:
    """What says less, or something else, is not enough."""
    assert not covers(covered(by), read_required(wanted))


def test_what_is_missing_is_named() -> None:
    """The signer is told all of it at once."""
    wanted = [read_required(text) for text in ("@method", "@authority", '"content-digest";key="sha-256"')]
    with pytest.raises(InsufficientCoverage, match='@method, content-digest;key="sha-256" too') as refused:
        require_covered(covered('"@authority"'), wanted)
    assert refused.value.reason == "INSUFFICIENT_COVERAGE"
    require_covered(covered('"@authority" "@method" "content-digest"'), wanted)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("@status", "must be one of"),
        ("@signature-params", "lower case"),
        ("@nonsense", "must be one of"),
        ('"@method";req', "must be one of"),
        ("@query-param", "query-param"),
        ("Content-Digest", "lower case"),
        ("content digest", "name of a header"),
        ("", "lower case"),
        ('"', "lower case"),
        ('"content-digest";tr', "no parameter but"),
        ("signature-agent", "profile web-bot-auth"),
        ('"a" "b"', "lower case"),
    ],
)
def test_nobody_can_ask_for_what_no_request_covers(text: str, why: str) -> None:
    """A policy that nobody could meet is refused when it is read."""
    with pytest.raises(ValueError, match=why):
        read_required(text)
