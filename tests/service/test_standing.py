"""What a live record lets pass, state by state and second by second."""

import pytest

from vestry_service.errors import PendingAgent
from vestry_service.live_records import LiveRecord
from vestry_service.standing import require_standing
from vestry_signatures.errors import NotYetValid, RevokedKey, SuspendedAgent, UnknownKey

UID = "agent-" + "a" * 24
NOW = 1_770_247_200


def record(state: str = "active", begin: int = 0, end: int = 0) -> LiveRecord:
    return LiveRecord(7, UID, "k" * 43, state, begin, end, "x" * 43)


@pytest.mark.parametrize("state", ["active", "retiring"])
def test_what_passes(state: str) -> None:
    """A key in use, and one that is replaced but not gone yet."""
    require_standing(record(state, NOW - 10, NOW + 10), UID, NOW)
    require_standing(record(state), UID, NOW)


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        ("suspended", SuspendedAgent),
        ("pending", PendingAgent),
        ("revoked", RevokedKey),
        ("of a later release", RevokedKey),
    ],
)
def test_what_does_not(state: str, refusal: type[Exception]) -> None:
    """Each state has its reason; one that is not known here passes nothing."""
    with pytest.raises(refusal):
        require_standing(record(state), UID, NOW)


@pytest.mark.parametrize("state", ["active", "retiring"])
def test_a_key_ends_to_the_second(state: str) -> None:
    """In the last second before its end it passes; at its end it does not."""
    require_standing(record(state, end=NOW), UID, NOW - 1)
    with pytest.raises(RevokedKey):
        require_standing(record(state, end=NOW), UID, NOW)


@pytest.mark.parametrize("state", ["active", "retiring"])
def test_a_key_begins_to_the_second(state: str) -> None:
    """At its first second it passes, and not before."""
    require_standing(record(state, begin=NOW), UID, NOW)
    with pytest.raises(NotYetValid):
        require_standing(record(state, begin=NOW), UID, NOW - 1)


def test_another_agents_key() -> None:
    """Nothing is told about a key under another's name, whatever its state."""
    for state in ("active", "revoked", "suspended"):
        with pytest.raises(UnknownKey):
            require_standing(record(state), UID.replace("a", "b"), NOW)
