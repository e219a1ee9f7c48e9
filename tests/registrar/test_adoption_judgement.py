"""What is believed of a vestauth database, row by row: pure, without one."""

import json
from typing import Any

import pytest

import edwards
from vestry_registrar.adoption.aftermath import events
from vestry_registrar.adoption.evidence import examine
from vestry_registrar.adoption.judgement import Judgement, judge
from vestry_registrar.adoption.reasons import Fate
from vestry_registrar.adoption.redaction import redact
from vestry_registrar.adoption.rows import AgentRow, KeyRow, Source
from vestry_signatures import PrivateKey, generate
from vestry_signatures.keys import encode_base64url, thumbprint

NOW = "2026-03-01 10:00:00+00"
UIDS = ["a" * 24, "b" * 24, "c" * 24]
TEST_KEY = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"  # printed in RFC 9421, B.1.4


def okp(x: str, **more: Any) -> dict[str, Any]:
    return {"kty": "OKP", "crv": "Ed25519", "x": x, **more}


def public(key: PrivateKey, **more: Any) -> dict[str, Any]:
    return okp(key.public.jwk["x"], **more)


def key_row(
    number: int, agent: int | None, value: Any, kid: str | None = None, state: str = "active"
) -> KeyRow:
    text = value if isinstance(value, str) else json.dumps(value)
    return KeyRow(number, agent, kid or thumbprint(value), text, state, NOW, NOW)


def judged(*keys: KeyRow, agents: list[str | None] | None = None) -> Judgement:
    uids = UIDS if agents is None else agents
    return judge(Source([AgentRow(n, uid, NOW, NOW) for n, uid in enumerate(uids, 1)], list(keys)))


def only(*keys: KeyRow) -> tuple[list[str], Fate]:
    """Reasons and fate of the first key."""
    found = judged(*keys).keys[0]
    return [reason.code for reason in found.reasons], found.fate


def test_what_the_server_writes_is_kept_as_it_is() -> None:
    """A key under its thumbprint, with its kid beside it, as active or revoked as it was."""
    key = generate()
    for state in ("active", "revoked"):
        found = judged(key_row(1, 1, {**public(key), "kid": key.public.kid}, state=state)).keys[0]
        assert (found.reasons, found.fate, found.state) == ((), Fate.KEPT, state)
        assert found.uid == f"agent-{UIDS[0]}"


@pytest.mark.parametrize(
    "encoding",
    sorted({spelling for point in edwards.TORSION for spelling in edwards.spellings(point)}),
    ids=bytes.hex,
)
def test_points_of_small_order_are_weak(encoding: bytes) -> None:
    """In every spelling; the row leaves its table."""
    assert only(key_row(1, 1, okp(encode_base64url(encoding)))) == (["weak-key"], Fate.MOVED)


def test_published_keys_are_weak() -> None:
    """Everybody has the private half of a key that an RFC prints."""
    assert only(key_row(1, 1, okp(TEST_KEY))) == (["weak-key"], Fate.MOVED)


@pytest.mark.parametrize(
    "value",
    [
        "{}", "null", "[]", "7", '"text"', "true",
        '{"kty":"OKP","crv":"Ed25519"}',
        '{"kty":"OKP","crv":"Ed25519","x":7}',
        '{"kty":"OKP","crv":"Ed25519","x":""}',
        '{"kty":"OKP","crv":"Ed25519","x":"AAAA"}',
        '{"kty":"OKP","crv":"X25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}',
        '{"kty":"OKP","crv":"Ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs="}',
        '{"kty":"EC","crv":"P-256","x":"qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA","y":"Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"}',
        "1" + "0" * 5000,
        "[" * 5000 + "]" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_ed25519_key_is_unusable(value: str) -> None:
    """Another kind of key, another spelling, or no key at all, however strange."""
    reasons, fate = only(key_row(1, 1, value, kid="k" * 43))
    assert reasons[0] == "unusable-jwk"
    assert fate is Fate.MOVED


def test_what_cannot_be_read_leaves_its_hash() -> None:
    """Nobody can say what is private in it."""
    found = examine(key_row(1, 1, "[" * 5000 + "]" * 5000, kid="k"))
    assert found.value["unreadable"]["characters"] == 10_000


def test_a_made_up_kid_is_not_believed() -> None:
    """A kid is computed, never believed."""
    assert only(key_row(1, 1, public(generate()), kid="made-up")) == (["kid-mismatch"], Fate.MOVED)


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "privateKey", "client_secret"])
def test_a_key_stored_with_its_private_half_is_revoked(name: str) -> None:
    """It stays, revoked, so that nobody registers it again; what is private is named and gone."""
    found = judged(key_row(1, 1, public(generate(), **{name: "hush"}))).keys[0]
    assert ([reason.code for reason in found.reasons], found.state) == (["private-members"], "revoked")
    assert found.evidence.removed == (name,)
    assert "hush" not in json.dumps(found.evidence.value)


@pytest.mark.parametrize(
    "value",
    [
        {"jwk": {"kty": "OKP", "d": "hush"}},
        {"keys": [{"d": "hush"}]},
        [{"d": "hush"}],
        json.dumps({"kty": "OKP", "d": "hush"}),
        json.dumps(json.dumps({"deep": json.dumps({"d": "hush"})})),
        {"pem": "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----"},
        "-----BEGIN OPENSSH PRIVATE KEY-----\nhush",
        {"Secret": {"any": ["hush"]}},
    ],
    ids=str,
)
def test_private_members_are_found_wherever_they_lie(value: Any) -> None:
    """Deeper inside, in JSON that was encoded once more, or as PEM."""
    found = redact(value)
    assert found.removed
    assert "hush" not in json.dumps(found.clean)


@pytest.mark.parametrize(
    "value", [{"kty": "OKP", "x": "d"}, ["d"], "plain", '{"kty": 1.50}', '"text"', 7, None]
)
def test_what_is_not_private_stays(value: Any) -> None:
    """As it is, to the letter."""
    assert redact(value).clean == value
    assert not redact(value).removed


def test_a_private_half_exposes_its_key_in_every_row() -> None:
    """The key whose private half stands in somebody else's row is revoked, whatever that row says beside it."""
    victim, other = generate(), generate()
    found = judged(
        key_row(1, 1, public(victim)),
        key_row(2, 2, public(other, d=victim.jwk["d"] + "=")),
        key_row(3, 3, "{}", "k"),
    ).keys
    assert [key.state for key in found[:2]] == ["revoked", "revoked"]
    assert [reason.code for reason in found[0].reasons] == ["exposed-elsewhere"]


def test_nobody_ends_anothers_key_by_claiming_to_have_its_private_half() -> None:
    """Another's x beside a d that is not its private half says nothing of the other's key."""
    victim = generate()
    forged = public(victim, d=generate().jwk["d"])
    found = judged(key_row(1, 1, public(victim)), key_row(2, 2, forged, kid="forged")).keys
    assert (found[0].reasons, found[0].state) == ((), "active")
    assert found[1].fate is Fate.MOVED


def test_the_same_key_under_made_up_kids_takes_nothing_from_its_owner() -> None:
    """The row with the right kid was proven at its registration; the others are named and leave."""
    victim = generate()
    padded = okp(victim.public.jwk["x"] + "=")
    found = judged(
        key_row(1, 1, public(victim)),
        key_row(2, 2, public(victim), kid="another"),
        key_row(3, 3, padded, kid=thumbprint(padded)),
    ).keys
    assert found[0].fate is Fate.KEPT
    assert [[reason.code for reason in key.reasons] for key in found[1:]] == [
        ["kid-mismatch", "duplicate-key"], ["unusable-jwk", "duplicate-key"],
    ]  # fmt: skip


def test_one_key_rightly_named_under_two_agents_is_nobodys() -> None:
    """Two rows that say the same of two agents contradict each other."""
    key = generate()
    found = judged(
        key_row(1, 1, public(key)), key_row(2, 2, public(key)), key_row(3, 3, public(generate()))
    ).keys
    assert [each.fate for each in found] == [Fate.MOVED, Fate.MOVED, Fate.KEPT]
    assert [reason.code for reason in found[0].reasons] == ["duplicate-key"]


@pytest.mark.parametrize("state", ["retiring", "ACTIVE", "", "active ", "suspended"])
def test_a_key_in_an_unknown_state_is_out_of_use(state: str) -> None:
    """Whatever it meant, it was not `active`."""
    found = judged(key_row(1, 1, public(generate()), state=state)).keys[0]
    assert ([reason.code for reason in found.reasons], found.state) == (["unknown-state"], "revoked")


def test_members_beside_the_key_are_left_out() -> None:
    """A kid of its own, a use, an expiry: the directory would publish them. The key itself acts on."""
    for more in ({"kid": "other"}, {"use": "sig"}, {"exp": 1}):
        found = judged(key_row(1, 1, public(generate(), **more))).keys[0]
        assert ([reason.code for reason in found.reasons], found.state) == (["other-members"], "active")


@pytest.mark.parametrize(
    "uid", [None, "", "agent-" + "a" * 24, "A" * 24, "a" * 23, "a" * 24 + "\n", "x" * 255]
)
def test_an_agent_with_a_malformed_uid_leaves_with_its_keys(uid: str | None) -> None:
    """Keys of an agent that is not believed are not believed either."""
    found = judged(key_row(1, 1, public(generate())), agents=[uid])
    assert [reason.code for reason in found.agents[0].reasons] == ["malformed-uid"]
    assert [reason.code for reason in found.keys[0].reasons] == ["agent-not-believed"]
    assert found.kept_agents == found.kept_keys == []
    assert all(event.uid is None for event in events(found))


def test_two_agents_with_one_uid_are_both_not_believed() -> None:
    """Which of the two is meant, nobody could say."""
    found = judged(agents=[UIDS[0], UIDS[0], UIDS[1]])
    assert [agent.fate for agent in found.agents] == [Fate.MOVED, Fate.MOVED, Fate.KEPT]


def test_rows_that_lack_something_leave() -> None:
    """Where a rule of the tables was dropped, anything may be missing."""
    key = generate()
    for lacking in (
        KeyRow(1, 1, None, json.dumps(public(key)), "active", NOW, NOW),
        KeyRow(1, 1, key.public.kid, None, "active", NOW, NOW),
        KeyRow(1, 1, key.public.kid, json.dumps(public(key)), None, NOW, NOW),
        KeyRow(1, 1, key.public.kid, json.dumps(public(key)), "active", None, NOW),
        KeyRow(1, None, key.public.kid, json.dumps(public(key)), "active", NOW, NOW),
        KeyRow(1, 9, key.public.kid, json.dumps(public(key)), "active", NOW, NOW),
    ):
        assert judged(lacking).keys[0].fate is Fate.MOVED
    assert judge(Source([AgentRow(1, UIDS[0], None, NOW)], [])).kept_agents == []


def test_agents_without_an_active_key_are_named() -> None:
    """One without any, one whose key was revoked, one whose key was not believed."""
    found = judged(
        key_row(1, 2, public(generate()), state="revoked"),
        key_row(2, 3, public(generate()), kid="made-up"),
        key_row(3, 4, public(generate())),
        agents=[*UIDS, "d" * 24],
    )
    assert [agent.uid for agent in found.without_active_key] == [f"agent-{uid}" for uid in UIDS]


def test_everything_wrong_with_a_row_is_said_and_the_worst_counts() -> None:
    """A row with a made-up kid and private members leaves, without them."""
    found = judged(key_row(1, 1, public(generate(), d="hush"), kid="made-up", state="odd")).keys[0]
    assert [reason.code for reason in found.reasons] == ["kid-mismatch", "private-members", "unknown-state"]
    assert found.fate is Fate.MOVED
