"""The short way is not noticed: the same bytes, the same answers, lines and counts as the ordinary way."""

import asyncio
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from by_hand import Line
from two_ways import HIDDEN, ORDINARY, SHORT, SMUGGLED, assert_alike, note_taken, plain


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every read that was offered to the short way, whether it took it."""
    return note_taken(monkeypatch)


@pytest.mark.parametrize("parts", SHORT.values(), ids=SHORT)
async def test_a_plain_request_is_answered_alike(parts: list[bytes], taken: list[bool]) -> None:
    """To the byte; and it really goes the short way, or there would be nothing to compare."""
    await assert_alike(parts)
    assert taken[-1]


@pytest.mark.parametrize("parts", ORDINARY.values(), ids=ORDINARY)
async def test_what_is_unusual_goes_the_ordinary_way(parts: list[bytes], taken: list[bool]) -> None:
    """Whatever is not plain to the last byte is not for the short way to judge."""
    await assert_alike(parts)
    assert not taken[:1] or not taken[0]


CUTS = st.lists(st.integers(1, 400), max_size=4)
PIECES = [
    *(b"".join(each) for each in (SHORT | ORDINARY | SMUGGLED).values()),
    b"\r\n",
    b"GET / HTTP/1.1\r\n",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=3), CUTS, st.data())
@example([plain() + b"POST /echo HTTP/1.1\r\nHost: a\r\nX: ", HIDDEN], [], None)
def test_any_bytes_in_any_reads_are_answered_alike(pieces: list[bytes], cuts: list[int], data: Any) -> None:
    """Requests good and bad, one behind the other, cut anywhere and a byte changed: no difference."""
    sent = b"".join(pieces)
    if data is not None and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(sent) - 1))
        sent = (
            sent[:at]
            + data.draw(st.sampled_from([b"", b"\r\n", b"\n", b" ", b"x", b":", b"\xff"]))
            + sent[at + 1 :]
        )
    ends = sorted({min(cut, len(sent)) for cut in cuts} | {len(pieces[0]), len(sent)})
    parts = [sent[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    asyncio.run(assert_alike([part for part in parts if part]))


def test_a_line_is_what_it_says() -> None:
    """The helper drops nothing but dates and made-up ids."""
    line = Line(None)  # type: ignore[arg-type]
    line.wire.write(b"HTTP/1.1 200 OK\r\nDate: x\r\n\r\nDate")
    assert line.said == "HTTP/1.1 200 OK\r\nDate: now\r\n\r\nDate"
