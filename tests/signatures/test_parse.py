"""From headers to signatures: whole fields first, then each candidate by itself."""

from unittest import mock

import pytest

from signing import URL, headers, stated
from vestry_signatures import Request, Signature, fields, parse
from vestry_signatures.errors import MalformedSignature, MissingSignature, MissingSignatureInput, WrongTag

TAGS = frozenset({"web-bot-auth"})
VALUE = f":{'A' * 86}==:"


def read(signature_input: str | None, signature: str | None, tags: frozenset[str] = TAGS) -> list[object]:
    """Parse a request with these two fields; None leaves one out."""
    found = [("Signature-Input", signature_input), ("Signature", signature)]
    return list(
        parse(Request.of("GET", URL, [(name, value) for name, value in found if value is not None]), tags)
    )


def labels(signatures: list[object]) -> list[str]:
    """The labels of signatures, all of which could be read."""
    return [signature.label for signature in signatures if isinstance(signature, Signature)]


@pytest.mark.parametrize("signature", [None, "", f"sig1={VALUE}"])
@pytest.mark.parametrize("signature_input", [None, "", "  \t"])
def test_no_signature_input(signature_input: str | None, signature: str | None) -> None:
    """A request that states no signature is unsigned."""
    with pytest.raises(MissingSignatureInput) as caught:
        read(signature_input, signature)
    assert caught.value.outcome == "unsigned"


@pytest.mark.parametrize("signature", [None, "", " "])
def test_no_signature(signature: str | None) -> None:
    """A request without a signature's bytes is unsigned."""
    with pytest.raises(MissingSignature) as caught:
        read(f"sig1={stated()}", signature)
    assert caught.value.outcome == "unsigned"


@pytest.mark.parametrize(
    ("signature_input", "signature"),
    [
        (f"sig1={stated()}", f"sig2={VALUE}"),
        (f"sig1={stated()}", f"sig1={VALUE}, sig2={VALUE}"),
        (f"sig1={stated()}, sig2={stated()}", f"sig1={VALUE}"),
        (f"sig1={stated()}, sig1={stated()}", f"sig1={VALUE}"),
        (f"sig1={stated()}", f"sig1={VALUE}, sig1={VALUE}"),
        (f"sig1={stated()};tag=1", f"sig1={VALUE}"),
        (f'sig1={stated()};tag="web-bot-auth"', f"sig1={VALUE}"),
        ('sig1=("a";sf;sf);tag="web-bot-auth"', f"sig1={VALUE}"),
        ('sig1="@authority";tag="web-bot-auth"', f"sig1={VALUE}"),
        ('sig1;tag="web-bot-auth"', f"sig1={VALUE}"),
        (f"sig1={stated()}", 'sig1="text"'),
        (f"sig1={stated()}", "sig1=1"),
        (f"sig1={stated()}", "sig1"),
        (f"sig1={stated()}", f"sig1=({VALUE})"),
        (f"sig1={stated()}", VALUE),
        (f"{stated()}", f"sig1={VALUE}"),
        (f"sig1={stated()},", f"sig1={VALUE}"),
        (f"sig1={stated()}", "sig1=:not base64:"),
        (f"Sig1={stated()}", f"Sig1={VALUE}"),
        (f"sig1={stated()} é", f"sig1={VALUE}"),
        (f"sig1={stated()}", f"sig1={VALUE} é"),
        ('sig1=("@authority"', f"sig1={VALUE}"),
        (f"sig1={stated()}, other=1", f"sig1={VALUE}, other={VALUE}"),
        (f"sig1={stated()}, other=()", f"sig1={VALUE}, other=1"),
    ],
)
def test_fields_that_two_readers_would_read_differently(signature_input: str, signature: str) -> None:
    """Labels that do not match, a key given twice, a member of the wrong kind: the whole request is refused."""
    with pytest.raises(MalformedSignature):
        read(signature_input, signature)


@pytest.mark.parametrize(
    "tag", [None, '"other"', '""', "web-bot-auth", '"Web-Bot-Auth"', '"web-bot-auth "', "1"]
)
def test_a_foreign_tag_is_no_candidate(tag: str | None) -> None:
    """The tag is compared as the string it is; with none of ours the reason is the tag."""
    with pytest.raises(WrongTag):
        read(f"sig1={stated(tag=tag)}", f"sig1={VALUE}")


@pytest.mark.parametrize("signature_input", [f"sig1={stated()}", f"sig1={stated()};more"])
def test_other_tags_can_be_asked_for(signature_input: str) -> None:
    """What counts as ours is the caller's choice, in the common form and in any other."""
    with pytest.raises(WrongTag):
        read(signature_input, f"sig1={VALUE}", frozenset({"null"}))
    assert labels(read(signature_input, f"sig1={VALUE}", frozenset({"null", "web-bot-auth"}))) == ["sig1"]


def test_foreign_signatures_are_left_alone() -> None:
    """Whatever a signature with another tag states, it is not looked at."""
    foreign = stated("(1 2)", tag='"other"', created='"never"', keyid="?0")
    inputs = f"a={foreign}, sig1={stated()}, b=()"
    assert labels(read(inputs, f"b={VALUE}, sig1={VALUE}, a={VALUE}")) == ["sig1"]


def test_candidates_come_in_the_order_of_the_field() -> None:
    """Signature-Input decides the order, over several lines as over one."""
    inputs = [f"{label}={stated()}" for label in ("c", "a", "b")]
    found = [("Signature-Input", line) for line in inputs]
    found += [("Signature", f"{label}={VALUE}") for label in ("a", "b", "c")]
    assert labels(list(parse(Request.of("GET", URL, found), TAGS))) == ["c", "a", "b"]


def test_a_malformed_candidate_spoils_no_other() -> None:
    """Each candidate is read by itself: one error, one signature."""
    inputs = {"bad": stated("(1)"), "good": stated()}
    request = Request.of("GET", URL, headers(inputs))
    first, second = parse(request, TAGS)
    assert isinstance(first, MalformedSignature)
    assert isinstance(second, Signature)
    assert second.label == "good"


def test_four_candidates_and_no_more() -> None:
    """A fifth signature that could be meant is refused; foreign ones do not count."""
    foreign = {f"x{number}": stated(tag='"other"') for number in range(12)}
    four = foreign | {f"s{number}": stated() for number in range(4)}
    assert len(parse(Request.of("GET", URL, headers(four)), TAGS)) == 4
    five = {f"s{number}": stated() for number in range(5)}
    with pytest.raises(MalformedSignature):
        parse(Request.of("GET", URL, headers(five)), TAGS)


def test_sixteen_labels_and_no_more() -> None:
    """A field has sixteen labels at most, whoever they are for."""
    many = {f"x{number}": "()" for number in range(15)} | {"sig1": stated()}
    assert len(parse(Request.of("GET", URL, headers(many)), TAGS)) == 1
    with pytest.raises(MalformedSignature):
        parse(Request.of("GET", URL, headers(many | {"more": "()"})), TAGS)


@pytest.mark.parametrize("name", ["Signature-Input", "Signature"])
def test_a_field_has_a_limit(name: str) -> None:
    """8192 characters of a signature header are read; one more is refused before it is parsed."""
    found = dict(headers({"sig1": stated()}))

    def request(length: int) -> Request:
        padding = f';p="{"a" * (length - len(found[name]) - 5)}"'
        line = found[name] + padding
        assert len(line) == length
        return Request.of("GET", URL, list((found | {name: line}).items()))

    assert len(parse(request(8192), TAGS)) == 1
    with pytest.raises(MalformedSignature), mock.patch.object(fields, "parse_dictionary") as parser:
        parse(request(8193), TAGS)
    parser.assert_not_called()
