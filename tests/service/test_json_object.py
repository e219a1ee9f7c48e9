"""JSON read quickly and JSON read slowly are the same JSON."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestry_service.json_object import read_json_quickly, read_json_slowly


class Members(list[Any]):
    """An object as it is written: members in their order, some of them perhaps twice."""


TEXTS = st.text(max_size=4) | st.sampled_from(
    ["", "a", "b", '"', "\\", '\\"', "é", "\U0001f600", "NaN", "a: 1"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(TEXTS, inner), max_size=3).map(Members),
    max_leaves=8,
)


def written(value: Any, *, is_ascii: bool) -> str:
    if isinstance(value, Members):
        members = (
            f"{written(name, is_ascii=is_ascii)}: {written(each, is_ascii=is_ascii)}" for name, each in value
        )
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list):
        return f"[{', '.join(written(each, is_ascii=is_ascii) for each in value)}]"
    return json.dumps(value, ensure_ascii=is_ascii)


@settings(max_examples=500)
@given(st.lists(st.tuples(TEXTS, VALUES), max_size=4).map(Members), st.booleans(), st.data())
def test_json_read_quickly_is_what_is_read_slowly(
    value: Members, is_ascii: bool, data: st.DataObject
) -> None:
    """Where the quick way answers at all it says the same, to the type; what is ambiguous it never takes."""
    body = written(value, is_ascii=is_ascii).encode()
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(body) - 1))
        body = (
            body[:at] + data.draw(st.sampled_from([b"", b'"', b"\\", b" ", b"1", b"\xff"])) + body[at + 1 :]
        )
    quick = read_json_quickly(body)
    if quick is not None:
        assert repr(quick) == repr(read_json_slowly(body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": [2]}}',
        b'{"a": [{"": 1, "": "x"}]}',
        b'{"a": 1, "a": "\\""}',
        b'{"a": 1.0}',
        b'{"a": 123456789012345678901234567890}',
        b'{"\\u0061": 1, "a": 2}',
        b'{"a": "\\\\"}',
        b"[]",
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_what_leaves_a_doubt_is_not_read_quickly(body: bytes) -> None:
    """Members given twice, escapes, numbers that libraries read differently, depth: left to the slow way."""
    assert read_json_quickly(body) is None


def test_the_json_that_tools_send_is_read_quickly() -> None:
    """Escaped quotes and all: signature headers are full of them."""
    value = {
        "method": "GET",
        "headers": {"Signature-Input": 'sig1=("@authority");created=1'},
        "n": [1, None, True],
    }
    assert read_json_quickly(json.dumps(value).encode()) == value
