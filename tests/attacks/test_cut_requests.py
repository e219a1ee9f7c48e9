"""A request hidden in the middle of another, at the begin of a read, where a hasty reader would take it for one."""

import pytest

from two_ways import SMUGGLED, assert_alike, note_taken


@pytest.mark.parametrize("parts", SMUGGLED.values(), ids=SMUGGLED)
async def test_the_middle_of_a_request_is_never_taken_for_one(
    parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the network cuts a message in two: only the ordinary parser knows what its second half is."""
    taken = note_taken(monkeypatch)
    await assert_alike(parts)
    assert True not in taken
