"""Who could sign at a time, replayed from events alone."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from vestry_registrar.audit.answer import answer
from vestry_registrar.audit.chain import Written
from vestry_registrar.audit.history import Owner, replay

UID = "agent-" + "a" * 24
_numbers = count(1)


def at(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def event(second: float, name: str, kid: str | None = None, **details: Any) -> Written:
    """Something that happened `second` seconds after the beginning of 1970."""
    when = at(second).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return Written(next(_numbers), when, name, UID, kid, "operator", "alice", "192.0.2.7", "r1", details)


def signers(second: float, *events: Written) -> list[str]:
    return [key.kid for key in replay(events, at(second)).signers(second)]


def standings(second: float, *events: Written) -> dict[str, str]:
    owner = replay(events, at(second))
    return {kid: key.standing(second) for kid, key in owner.keys.items()}


BORN = event(10, "agent.registered", "K1")


def test_of_nobody_nothing_is_known() -> None:
    """No events, or none yet: no state and no key."""
    assert replay([], at(5)) == Owner()
    assert replay([BORN], at(9.999)) == Owner()


@pytest.mark.parametrize("kind", ["agent", "tool"])
def test_who_registers_can_sign_from_that_moment(kind: str) -> None:
    """With its key, to the microsecond."""
    born = event(10.000001, f"{kind}.registered", "K1")
    assert signers(10, born) == []
    assert signers(10.000001, born) == ["K1"]


def test_a_rotation_ends_the_old_key_at_once() -> None:
    """At no moment can both sign, and at none neither."""
    story = BORN, event(20, "key.rotated", "K2", old_kid="K1")
    assert signers(19.999999, *story) == ["K1"]
    assert signers(20, *story) == ["K2"]
    assert standings(20, *story) == {"K1": "revoked", "K2": "active"}


def test_a_rotation_with_overlap_leaves_the_old_key_until_its_end() -> None:
    """Both can sign; at the end, which no event tells of, one of them."""
    story = BORN, event(20, "key.rotated", "K2", old_kid="K1", old_not_after=50)
    assert standings(20, *story) == {"K1": "retiring", "K2": "active"}
    assert signers(49.9, *story) == ["K1", "K2"]
    assert signers(50, *story) == ["K2"]
    assert standings(50, *story) == {"K1": "over", "K2": "active"}


def test_an_overlap_makes_no_key_live_longer() -> None:
    """A key with an end of its own keeps it where that is earlier."""
    born = event(10, "agent.registered", "K1", not_after=30)
    story = born, event(20, "key.rotated", "K2", old_kid="K1", old_not_after=50)
    assert signers(30, *story) == ["K2"]


def test_a_retiring_key_may_be_revoked() -> None:
    """Then it does not wait for its end."""
    story = (
        BORN,
        event(20, "key.rotated", "K2", old_kid="K1", old_not_after=50),
        event(30, "key.revoked", "K1"),
    )
    assert signers(30, *story) == ["K2"]
    assert standings(30, *story)["K1"] == "revoked"


@pytest.mark.parametrize("name", ["key.added", "key.attached"])
def test_a_further_key_signs_beside_the_first(name: str) -> None:
    """Until it is taken out of use."""
    story = BORN, event(20, name, "K2"), event(30, "key.retired", "K1"), event(40, "key.revoked", "K2")
    assert [signers(second, *story) for second in (20, 30, 40)] == [["K1", "K2"], ["K2"], []]


def test_a_key_may_be_retired_with_an_end() -> None:
    """It signs until then."""
    story = BORN, event(20, "key.retired", "K1", not_after=40)
    assert [signers(second, *story) for second in (39, 40)] == [["K1"], []]


def test_a_key_with_bounds_signs_within_them() -> None:
    """From `not_before` on, and no longer at `not_after`."""
    story = BORN, event(15, "key.added", "K2", not_before=20, not_after=30)
    assert [standings(second, *story)["K2"] for second in (15, 19.9, 20, 29.9, 30)] == [
        "not yet", "not yet", "active", "active", "over",
    ]  # fmt: skip


def test_who_is_suspended_cannot_sign_and_keeps_its_keys() -> None:
    """What happens to its keys meanwhile counts when it is resumed."""
    story = (
        BORN, event(20, "agent.suspended"), event(30, "key.added", "K2"), event(35, "key.revoked", "K1"),
        event(40, "agent.resumed"),
    )  # fmt: skip
    assert [signers(second, *story) for second in (19, 20, 39, 40)] == [["K1"], [], [], ["K2"]]
    assert replay(story, at(30)).state == "suspended"


def test_who_waits_for_approval_cannot_sign() -> None:
    """From the approval on it can."""
    story = event(10, "agent.registered", "K1", state="pending"), event(20, "agent.approved")
    assert [signers(second, *story) for second in (10, 20)] == [[], ["K1"]]
    assert replay(story, at(10)).state == "pending"


@pytest.mark.parametrize("kind", ["agent", "tool"])
def test_who_is_revoked_never_signs_again(kind: str) -> None:
    """Whatever keys it has."""
    story = event(10, f"{kind}.registered", "K1"), event(20, f"{kind}.revoked"), event(30, "key.added", "K2")
    assert signers(30, *story) == []
    assert replay(story, at(30)).state == "revoked"
    assert standings(20, *story) == {"K1": "revoked"}


def test_other_events_have_no_say() -> None:
    """Neither a token's nor one that nobody knows yet, whatever they are named like."""
    story = BORN, event(20, "token.revoked"), event(20, "token.used", "K1"), event(20, "key.blessed", "K1")
    assert signers(20, *story) == ["K1"]


def test_what_came_before_the_trail_is_shown_without_a_beginning() -> None:
    """A key whose end is told and whose coming is not; the owner exists from the first that is told."""
    story = (event(20, "key.rotated", "K2", old_kid="K0"),)
    owner = replay(story, at(20))
    assert (owner.state, owner.keys["K0"].came, signers(20, *story)) == ("active", None, ["K2"])


@pytest.mark.parametrize(
    "details", [[], "text", 5, None, {"old_kid": 7, "old_not_after": "soon", "not_before": True}]
)
def test_details_that_make_no_sense_stop_nothing(details: Any) -> None:
    """Whoever reads a trail that was tampered with gets an answer all the same; the walk says what it is worth."""
    strange = Written(1, BORN.at, "key.rotated", UID, "K9", "agent", "K1", None, None, details)
    assert signers(20, BORN, strange) == ["K1", "K9"]


def test_the_answer_says_since_when_and_by_whose_doing() -> None:
    """Every key that had come, with what gave it and what took it; bounds as times."""
    story = BORN, event(20, "key.rotated", "K2", old_kid="K1", old_not_after=50, reason="routine")
    found = answer(UID, at(20), replay(story, at(20)))
    assert found["could_sign"] == ["K1", "K2"]
    assert (found["state"], found["state_since"]) == ("active", "1970-01-01T00:00:10.000000Z")
    old, new = found["keys"]
    doing = {"kind": "operator", "name": "alice", "client_ip": "192.0.2.7", "request_id": "r1"}
    assert old["by"] == {"event": "agent.registered", "event_id": BORN.id, **doing, "reason": None}
    assert (old["standing"], old["not_after"]) == ("retiring", "1970-01-01T00:00:50Z")
    assert (old["ended"], old["ended_by"]["event"]) == ("1970-01-01T00:00:20.000000Z", "key.rotated")
    assert (new["since"], new["by"]["reason"], new["ended"]) == (
        "1970-01-01T00:00:20.000000Z",
        "routine",
        None,
    )


def test_a_bound_beyond_the_calendar_is_told_as_a_number() -> None:
    """A key may have an end that no date has."""
    found = answer(UID, at(20), replay([event(10, "key.added", "K1", not_after=10**15)], at(20)))
    assert found["keys"][0]["not_after"] == str(10**15)
