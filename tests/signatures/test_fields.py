"""Structured fields in and out: the whole public suite, and what is stricter here."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from http_sf import DisplayString
from hypothesis import given
from hypothesis import strategies as st

import vectors
from vestry_signatures import fields
from vestry_signatures.fields import FieldError, Token

SUITE = "structured-field-tests"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _files() -> Iterator[tuple[str, Any]]:
    folder = vectors.FOLDER / SUITE
    for path in sorted(folder.rglob("*.json")):
        name = path.relative_to(folder)
        yield str(name.with_suffix("")), f"{SUITE}/{name}"


def bare(value: Any) -> Any:
    """A bare item of the suite as Python has it."""
    if not isinstance(value, dict):
        return value
    kind, inner = value["__type"], value["value"]
    if kind == "binary":
        return base64.b32decode(inner)
    if kind == "date":
        return EPOCH + timedelta(seconds=inner)
    return {"token": Token, "displaystring": DisplayString}[kind](inner)


def member(value: Any) -> Any:
    """An item or inner list of the suite."""
    first, parameters = value
    content = [member(item) for item in first] if isinstance(first, list) else bare(first)
    return content, {key: bare(inner) for key, inner in parameters}


def structure(case: dict[str, Any]) -> Any:
    """What a case of the suite says that its field means."""
    expected = case["expected"]
    if case["header_type"] == "dictionary":
        return {key: member(value) for key, value in expected}
    if case["header_type"] == "list":
        return [member(value) for value in expected]
    return member(expected)


def typed(value: Any) -> Any:
    """The value with the type of every part, since True equals 1 and a token equals a string."""
    if isinstance(value, dict):
        return [(key, typed(inner)) for key, inner in value.items()]
    if isinstance(value, list | tuple):
        return [typed(inner) for inner in value]
    return type(value), value


def parsed(case: dict[str, Any]) -> Any:
    """What we read, or None where it is refused."""
    try:
        return fields.parse_field(", ".join(case["raw"]), case["header_type"], unique=False)
    except FieldError:
        return None


def serialised(case: dict[str, Any]) -> str | None:
    """What we write, or None where it is refused."""
    try:
        return fields.serialise(structure(case))
    except (FieldError, OverflowError):
        return None


def complaint(case: dict[str, Any]) -> str | None:
    """What is wrong with our handling of one case, or None."""
    must_fail = case.get("must_fail", False)
    if "raw" in case:
        found = parsed(case)
        if found is None:
            return None if must_fail or case.get("can_fail", False) else "was refused"
        if must_fail or typed(found) != typed(structure(case)):
            return f"was read as {found}"
    written = serialised(case)
    lines = [] if must_fail else case.get("canonical", case.get("raw"))
    expected = ", ".join(lines) if lines else None  # an empty list or dictionary is a field that is not sent
    return None if written == expected else f"was written as {written!r}"


@pytest.mark.parametrize("file", vectors.cases(_files))
def test_structured_field_suite(file: str) -> None:
    """Every case of one file is read as it says and written in its canonical form, or refused in both directions."""
    complaints = {case["name"]: complaint(case) for case in vectors.load(file)}
    assert {name: text for name, text in complaints.items() if text} == {}


@vectors.needs_vectors
def test_the_suite_is_all_there() -> None:
    """2,135 cases, none of them lost on the way."""
    assert sum(len(vectors.load(file)) for _, file in _files()) == 2135


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("a=1, a=2", "dictionary"),
        ("a=1, b=2, a=1", "dictionary"),
        ("a=1;x=1;x=2", "dictionary"),
        ("a=(b;x;x)", "dictionary"),
        ("a=(b);x;x", "dictionary"),
        ("b;x;x", "item"),
        ("(b;x;x)", "list"),
    ],
)
def test_a_key_is_given_once(value: str, kind: str) -> None:
    """RFC 9651 lets the last of two equal keys win; where signatures are read, two readers might differ."""
    with pytest.raises(FieldError):
        fields.parse_field(value, kind)
    assert fields.parse_field(value, kind, unique=False)


@pytest.mark.parametrize("value", ["a=é", "é", 'a="\u212a"', "a=1\n", "a=\ud800", "a=1\0", "a=1\x7f"])
def test_only_ascii_is_parsed(value: str) -> None:
    """Characters outside ASCII, half of a surrogate pair included, are one kind of error."""
    for kind in ("dictionary", "list", "item"):
        with pytest.raises(FieldError):
            fields.parse_field(value, kind)


def test_errors_say_nothing_of_the_text() -> None:
    """A message goes to callers and logs: no byte that a stranger chose is in it."""
    with pytest.raises(FieldError) as caught:
        fields.parse_dictionary("secret=!")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "value", [{"A": (1, {})}, {"": (1, {})}, ("é", {}), (10**15, {}), (None, {}), (object(), {})]
)
def test_what_has_no_serialisation(value: Any) -> None:
    """Bad keys, characters and types are one kind of error."""
    with pytest.raises(FieldError):
        fields.serialise(value)


def test_members_are_written_as_in_a_list() -> None:
    """A lone true is `?1` where the key does not stand beside it (RFC 9421 section 2.1.2)."""
    assert fields.serialise_member((True, {})) == "?1"
    assert fields.serialise_member((True, {"a": True, "b": 1})) == "?1;a;b=1"
    assert (
        fields.serialise_member(([("a", {}), (Token("b"), {"c": b"d"})], {"e": 1})) == '("a" b;c=:ZA==:);e=1'
    )
    assert fields.is_inner_list(([], {}))
    assert not fields.is_inner_list(("a", {}))


_key = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,6}", fullmatch=True)
_text = st.text('aZ09 "\\;=~', max_size=12)
_bare = st.one_of(
    st.integers(-(10**15) + 1, 10**15 - 1),
    st.booleans(),
    st.binary(max_size=12),
    _text,
    st.from_regex(r"[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_`|~-]{0,8}", fullmatch=True).map(Token),
    st.decimals(-(10**12) + 1, 10**12 - 1, places=3),
    st.integers(-(10**10), 10**10).map(lambda seconds: EPOCH + timedelta(seconds=seconds)),
    st.text('aZ%"\\é€😀\n\0', max_size=8).map(DisplayString),
)
_parameters = st.dictionaries(_key, _bare, max_size=3)
_item = st.tuples(_bare, _parameters)
_member = _item | st.tuples(st.lists(_item, max_size=3), _parameters)


@given(st.dictionaries(_key, _member, min_size=1, max_size=3))
def test_what_is_written_is_read_back(members: dict[str, Any]) -> None:
    """Writing and reading lose nothing, neither a value nor its type."""
    text = fields.serialise(members)
    assert typed(fields.parse_dictionary(text)) == typed(members)
    assert fields.serialise(fields.parse_dictionary(text)) == text


@given(
    st.text(alphabet='ab"\\;=,()?:@%-. 01\t', max_size=20), st.sampled_from(["dictionary", "list", "item"])
)
def test_arbitrary_text_is_read_or_refused(text: str, kind: str) -> None:
    """There is no third way out; what is read has a canonical form, which means the same."""
    try:
        found = fields.parse_field(text, kind, unique=False)
    except FieldError:
        return
    if found not in ({}, []):
        again = fields.parse_field(fields.serialise(found), kind)
        assert typed(again) == typed(found)
