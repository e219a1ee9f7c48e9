"""Live records, memory marks and the names of their keys."""

import pytest

from replay_stores import ALICE, record
from vestry_service.live_records import (
    TAGS,
    LiveRecord,
    Mark,
    book_key,
    mark_key,
    nonce_key,
    record_key,
    use_keys,
)


def test_round_trip() -> None:
    """What the registrar writes is what the verifier reads."""
    written = LiveRecord(7, "agent-4b94c0ffee4b94c0ffee4b94", ALICE, "revoked", 1770247189, 1770250789, ALICE)
    assert LiveRecord.decode(ALICE, written.encode()) == written


def test_version_comes_first() -> None:
    """The registrar's script finds the version without knowing the rest of the line."""
    assert record(version=4096).encode().startswith(b"4096 ")


@pytest.mark.parametrize("state", ["", "not active", "active\n", " active", "active\t"])
def test_no_field_can_smuggle_another(state: str) -> None:
    """A field that is empty or carries a blank is never written."""
    with pytest.raises(ValueError, match="live record"):
        record(state=state).encode()


@pytest.mark.parametrize(
    "line", [b"", b"1", b"1 agent-1 active 0 0", b"x agent-1 active 0 0 key", b"\xff 1 2 3 4 5"]
)
def test_a_line_of_another_form_is_refused(line: bytes) -> None:
    """What this room did not write is not read as if it had."""
    with pytest.raises(ValueError):  # noqa: PT011  # int() and decode() raise kinds of it with their own words
        LiveRecord.decode(ALICE, line)


def test_mark_round_trip() -> None:
    """A memory mark keeps its beginning and its server."""
    mark = Mark(1770247189, "c0ffee", 60)
    assert Mark.decode(mark.encode()) == mark


def test_keys_of_a_kid_share_a_hash_tag() -> None:
    """A Cluster holds the four keys of one signature in one slot: the text in braces is the same."""
    assert nonce_key(ALICE, bytes(range(16))) == b"n{Jr}" + bytes(range(16))
    assert record_key(ALICE) == b"k{Jr}" + ALICE.encode()
    assert mark_key(ALICE) == b"g{Jr}"
    assert book_key(ALICE, "x") == b"b{Jr}" + ALICE.encode() + b"x"


@pytest.mark.parametrize("book", ["", "x", None])
def test_named_at_once_they_are_named_alike(book: str | None) -> None:
    """What is asked in one trip has the names that everything else goes by; without a book the mark stands there."""
    digest = bytes(range(16))
    kept = mark_key(ALICE) if book is None else book_key(ALICE, book)
    assert use_keys(ALICE, digest, book) == (
        nonce_key(ALICE, digest),
        record_key(ALICE),
        mark_key(ALICE),
        kept,
    )


def test_a_mark_for_every_kid() -> None:
    """Every pair of base64url characters is a tag, and none twice."""
    assert len(TAGS) == len(set(TAGS)) == 4096
    assert {"AA", "__", "-9"} <= set(TAGS)
