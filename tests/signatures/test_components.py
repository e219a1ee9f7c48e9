"""From a covered component to its value, and the many ways in which that must fail."""

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vectors
from vestry_signatures import components, fields, message
from vestry_signatures.base import signature_base
from vestry_signatures.components import FIELD_TYPES, Component, value_of
from vestry_signatures.errors import MalformedRequest, MalformedSignature
from vestry_signatures.message import Request
from vestry_signatures.signature import read_components

URL = "https://www.example.com/path?param=value"
TYPES = {**FIELD_TYPES, "example-dict": "dictionary"}
"""Appendix B calls Example-Dict a dictionary; no registry knows it."""


def component(identifier: str) -> Component:
    """Read one component identifier as it stands in an inner list."""
    (read,) = read_components([fields.parse_item(identifier)])
    return read


def derive(
    identifier: str, url: str = URL, headers: list[tuple[str, str]] | None = None, method: str = "GET"
) -> str:
    """The value of one component in a request."""
    return value_of(Request.of(method, url, headers or []), component(identifier), TYPES)


def _appendix() -> Iterator[tuple[str, Any]]:
    for number, case in enumerate(vectors.load("rfc9421/appendix-b.json")["component_cases"]):
        yield f"{number}-{case['section']}-{case['identifier']}", case


@pytest.mark.parametrize("case", vectors.cases(_appendix))
def test_component_cases_of_rfc_9421(case: dict[str, Any]) -> None:
    """Every example of section 2 that a request can carry has the printed value, every wrong one is refused.

    Of the three examples on a response, `trailer` is a header like any other; `@status` and `tr` are refused, for no
    request has them.
    """
    response = case["message"]["type"] == "response"
    url = "https://www.example.com/" if response else case["message"]["url"]
    method = "GET" if response else case["message"]["method"]
    request = Request.of(method, url, [(name, value) for name, value in case["message"]["headers"]])
    if "error" in case or case["identifier"] in ('"@status"', '"expires";tr'):
        with pytest.raises(MalformedSignature):
            value_of(request, component(case["identifier"]), TYPES)
    else:
        assert value_of(request, component(case["identifier"]), TYPES) == case["value"]


@vectors.needs_vectors
def test_the_component_cases_are_all_there() -> None:
    """44 cases, of which nine must fail and three speak of a response: none is lost on the way."""
    found = vectors.load("rfc9421/appendix-b.json")["component_cases"]
    assert len(found) == 44
    assert sum("error" in case for case in found) == 9
    responses = [case["identifier"] for case in found if case["message"]["type"] == "response"]
    assert responses == ['"@status"', '"trailer"', '"expires";tr']


DERIVED = [
    ("@method", URL, "GET"),
    ("@authority", "http://LOCALHOST:3000/", "localhost:3000"),
    ("@authority", "http://[2001:DB8::1]:80/", "[2001:db8::1]"),
    ("@authority", "https://[::1]:80/", "[::1]:80"),
    ("@authority", "https://example.com:443", "example.com"),
    ("@scheme", "HTTP://example.com", "http"),
    ("@target-uri", "HTTPS://Example.com:443", "https://example.com/"),
    ("@target-uri", "https://example.com?", "https://example.com/?"),
    ("@request-target", "https://example.com?", "/?"),
    ("@request-target", "https://example.com", "/"),
    ("@path", "https://example.com?a", "/"),
    ("@path", "https://example.com//a/../%2e", "//a/../%2e"),
    ("@query", "https://example.com/?", "?"),
    ("@query", "https://example.com/", "?"),
    ("@query", "https://example.com/?a=%zz&&=", "?a=%zz&&="),
]


@pytest.mark.parametrize(("name", "url", "value"), DERIVED)
def test_derived_components(name: str, url: str, value: str) -> None:
    """Sections 2.2.1 to 2.2.7, with the forms in which a part is empty or left out."""
    assert derive(f'"{name}"', url) == value


@pytest.mark.parametrize(
    ("name", "query", "value"),
    [
        ("a", "a=1", "1"),
        ("a", "a", ""),
        ("a", "a=", ""),
        ("a", "a=b=c", "b%3Dc"),
        ("a", "&&a=1&", "1"),
        ("a", "%61=1", "1"),
        ("%C3%A9", "%c3%a9=1", "1"),
        ("a%20b", "a+b=c+d", "c%20d"),
        ("a%20b", "a%20b=c%20d", "c%20d"),
        ("a", "a=%2B", "%2B"),
        ("a", "a=*-._~", "*-._%7E"),
        ("a", "a=%26%3D%23", "%26%3D%23"),
        ("a", "a=1;b=2", "1%3Bb%3D2"),
        ("a", "A=2&a=1", "1"),
        ("", "=1", "1"),
    ],
)
def test_query_parameters(name: str, query: str, value: str) -> None:
    """Names and values are decoded as a form is and encoded anew (section 2.2.8)."""
    assert derive(f'"@query-param";name="{name}"', f"https://example.com/?{query}") == value


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        (';name="a"', "a=1&a=1"),
        (';name="a"', "a=1&%61=2"),
        (';name="b"', "a=1"),
        (';name="a"', ""),
        (';name="a+b"', "a+b=1"),
        (';name="%61"', "a=1"),
        (';name="%c3%a9"', "%c3%a9=1"),
        (';name="%E9"', "%E9=1"),
        (';name="a"', "a=%ff"),
        (';name="a"', "a=1&b=%ff"),
        (';name="a"', "&".join(["a=1", *("b=2" for _ in range(256))])),
        (";name=a", "a=1"),
        (";name=:YQ==:", "a=1"),
        (";name", "name=1"),
        ("", "a=1"),
        (';name="a";req', "a=1"),
        (';name="a";sf', "a=1"),
        (';nam="a"', "a=1"),
    ],
)
def test_query_parameters_that_are_refused(parameters: str, query: str) -> None:
    """A parameter that is absent, there twice or named in another spelling is an error, never an empty value."""
    with pytest.raises(MalformedSignature):
        derive(f'"@query-param"{parameters}', f"https://example.com/?{query}")


LINES = [("X-A", " one "), ("x-a", "two, \t2"), ("X-D", 'a=1,  b="x";y, c=(1  2), d'), ("X-E", "")]


@pytest.mark.parametrize(
    ("identifier", "value"),
    [
        ('"x-a"', "one, two, \t2"),
        ('"x-e"', ""),
        ('"x-e";bs', "::"),
        ('"x-a";bs', ":b25l:, :dHdvLCAJMg==:"),
        ('"x-d";key="a"', "1"),
        ('"x-d";key="b"', '"x";y'),
        ('"x-d";key="c"', "(1 2)"),
        ('"x-d";key="d"', "?1"),
        ('"x-d";key="d";sf', "?1"),
        ('"x-d";sf;key="d"', "?1"),
    ],
)
def test_header_fields(identifier: str, value: str) -> None:
    """A field's lines become one value as its parameters say (section 2.1)."""
    assert derive(identifier, headers=LINES) == value


@pytest.mark.parametrize(
    ("name", "lines", "value"),
    [
        ("content-digest", ["sha-256=:YQ==:,sha-512=:Yg:"], "sha-256=:YQ==:, sha-512=:Yg==:"),
        ("signature-input", ['a=( "x"  "y" ); b=1'], 'a=("x" "y");b=1'),
        ("cache-control", ["max-age=60", "  must-revalidate"], "max-age=60, must-revalidate"),
        ("priority", ["u=1,i=?1"], "u=1, i"),
        ("priority", ["u=1, u=2"], "u=2"),
        ("accept", ["text/html;q=0.50"], "text/html;q=0.5"),
        ("sf-date", ["@1"], "@1"),
    ],
)
def test_strict_serialisation(name: str, lines: list[str], value: str) -> None:
    """With `sf` a field of known type is written in its one canonical form (section 2.1.1)."""
    assert derive(f'"{name}";sf', headers=[(name, line) for line in lines]) == value


@pytest.mark.parametrize(
    "identifier",
    [
        '"x-missing"',
        '"x-missing";sf',
        '"x-missing";bs',
        '"x-missing";key="a"',
        '"x-d";key="zz"',
        '"x-d";key=a',
        '"x-d";key=1',
        '"x-d";key',
        '"x-d";key=:YQ==:',
        '"x-a";key="one"',
        '"x-d";sf',
        '"x-a";bs;sf',
        '"x-d";bs;key="a"',
        '"x-a";bs=?0',
        '"x-a";bs=1',
        '"x-a";sf=?0',
        '"x-d";key="a";sf=?0',
        '"x-a";tr',
        '"x-a";req',
        '"x-d";key="a";tr',
        '"x-a";name="a"',
        '"x-a";unknown',
        '"priority";sf',
        '"@status"',
        '"@status";req',
        '"@method";req',
        '"@authority";tr',
        '"@authority";sf',
        '"@path";bs',
        '"@query";key="a"',
        '"@target-uri";name="a"',
        '"@unknown"',
        '"@"',
        '"@request-response"',
    ],
)
def test_what_cannot_be_derived_is_refused(identifier: str) -> None:
    """An absent field, a parameter that is unknown or does not fit, trailers and responses: never a guess."""
    with pytest.raises(MalformedSignature):
        derive(identifier, headers=[*LINES, ("priority", "u=")])


def test_bytes_are_covered_as_they_came() -> None:
    """With `bs` a value outside ASCII can be covered: as UTF-8, and bytes that are none as those very bytes."""
    assert derive('"x";bs', headers=[("x", "é"), ("x", "\udce9")]) == ":w6k=:, :6Q==:"


def test_a_character_that_is_no_byte_is_refused() -> None:
    """JSON can name half of a surrogate pair. No header can carry it, and it must not end in an internal error."""
    with pytest.raises(MalformedSignature):
        derive('"x";bs', headers=[("x", "\ud800")])
    with pytest.raises(MalformedSignature):
        signature_base(Request.of("GET", URL, [("x", "\ud800")]), (component('"x"'),), "()")


@pytest.mark.parametrize("identifier", ['"x"', '"x";bs', '"x";key="a"', '"priority";sf'])
@pytest.mark.parametrize("value", ['a\n"@authority": evil.example', "a\r\nb", "a=1\0", "a\r"])
def test_a_header_smuggles_no_line_into_the_base(identifier: str, value: str) -> None:
    """However a header is covered, a line break in it is refused before anything is compared."""
    with pytest.raises(MalformedRequest):
        derive(identifier, headers=[("x", value), ("priority", value)])


def test_a_field_is_read_once_for_all_its_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty-four covered members of one field cost one parse: else one request could stop a verifier for seconds."""
    headers = [("x", f"m{number}=1;with=parameters") for number in range(64)]
    request = Request.of("GET", URL, headers)
    covered = tuple(component(f'"x";key="m{number}"') for number in range(64))
    parse = mock.Mock(wraps=fields.parse_field)
    clean = mock.Mock(wraps=message.clean)
    monkeypatch.setattr(fields, "parse_field", parse)
    monkeypatch.setattr(message, "clean", clean)
    signature_base(request, covered, "()")
    assert (parse.call_count, clean.call_count) == (1, 64)


def test_a_query_is_read_once_for_all_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for covered query parameters."""
    query = "&".join(f"n{number}=%41" for number in range(64))
    covered = tuple(component(f'"@query-param";name="n{number}"') for number in range(64))
    parse = mock.Mock(wraps=components.parse_qsl)
    monkeypatch.setattr(components, "parse_qsl", parse)
    signature_base(Request.of("GET", f"https://example.com/?{query}", []), covered, "()")
    assert parse.call_count == 1


@pytest.mark.parametrize("key", ["a", '%"a"', "1", "?1", ":YQ==:"])
@pytest.mark.parametrize("value", ['a="1"', 'a="1", b="2"'])
def test_the_key_of_a_member_is_a_string(key: str, value: str) -> None:
    """What merely equals the member's name is refused, however the field is read."""
    with pytest.raises(MalformedSignature):
        derive(f'"x";key={key}', headers=[("x", value)])


@given(
    st.sampled_from(["a", "*", "ab", "1", "A"]),
    st.text(alphabet='ab"\\;=,() 1:?@.*-\t', max_size=20),
    st.sampled_from(['"', '"', '"', "", '";c', '", a="2"', '" ']),
    st.sampled_from(["a", "b", "*", "ab"]),
)
def test_the_short_cut_for_one_string_decides_nothing(name: str, text: str, end: str, key: str) -> None:
    """A dictionary of one string is taken as it stands; the full parser gives the same for whatever matches."""

    def outcome() -> str:
        try:
            return derive(f'"x";key="{key}"', headers=[("x", f'{name}="{text}{end}')])
        except MalformedSignature as error:
            return type(error).__name__

    with mock.patch.object(components, "_ONE_STRING", mock.Mock(fullmatch=lambda _value: None)):
        in_full = outcome()
    assert outcome() == in_full


@pytest.mark.parametrize(
    ("identifier", "label"), [('"@authority"', "@authority"), ('"x";key="a"', 'x;key="a"')]
)
def test_a_component_has_a_name_for_people(identifier: str, label: str) -> None:
    """Answers list covered components without the quotes around a name."""
    assert component(identifier).label == label


def test_every_known_type_is_one_that_can_be_parsed() -> None:
    """A type nobody can parse would make `sf` on that field an internal error."""
    assert set(FIELD_TYPES.values()) == {"dictionary", "list", "item"}
    assert all(name == name.lower() for name in FIELD_TYPES)
