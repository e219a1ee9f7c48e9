"""An agent and its several keys: what it may ask, what is answered, and what is so everywhere afterwards."""

import asyncio
import base64
from typing import Any

import pytest

from key_desk import KeyDesk
from services import Agent, Services
from vestry_signatures import generate
from vestry_signatures.keys import public_key

HOUR = 3600


@pytest.fixture
def desk(services: Services) -> KeyDesk:
    return KeyDesk(services)


async def with_two_keys(desk: KeyDesk) -> tuple[Agent, Agent]:
    """One agent, by each of its two keys."""
    first, new = await desk.services.agent(), generate()
    assert (await desk.add(first, new)).status == 200
    return first, Agent(new, first.uid)


def events(services: Services, uid: str) -> list[tuple[str, str | None, str, dict[str, Any]]]:
    return services.sql(
        "SELECT event, kid, actor, details FROM audit_events WHERE uid = %s ORDER BY id", uid
    )[1:]


async def test_a_second_key_is_as_good_as_the_first(services: Services, desk: KeyDesk) -> None:
    """Once it is added it verifies everywhere, is published, and may do whatever an agent's key may do."""
    first, new = await services.agent(), generate()
    answer = await desk.add(first, new)
    assert answer.json == {"uid": first.uid, "kid": new.public.kid, "public_jwk": new.public.jwk}
    second = Agent(new, first.uid)
    for agent in (first, second):
        for verifier in services.verifiers:
            assert (await desk.verify(agent, verifier)).json["kid"] == agent.key.public.kid
        assert (await desk.whoami(agent)).json["uid"] == first.uid
    assert await services.directory(first) == [first.key.public.kid, new.public.kid]
    assert (await desk.add(second, generate())).status == 200
    assert services.sql("SELECT count(*) FROM outbox") == [(0,)]


async def test_the_list_shows_states_times_and_the_proof(services: Services, desk: KeyDesk) -> None:
    """Every key with its state and times; the proof that was recorded can be checked again by anybody."""
    first, second = await with_two_keys(desk)
    one, two = await desk.keys(first)
    assert one == {
        "kid": first.key.public.kid,
        "state": "active",
        "public_jwk": first.key.public.jwk,
        "nbf": None,
        "exp": None,
        "added": one["added"],
        "changed": one["added"],
        "proof": None,
    }
    assert (two["kid"], two["state"], two["public_jwk"]) == (
        second.key.public.kid,
        "active",
        second.key.public.jwk,
    )
    proof = two["proof"]
    assert set(proof) == {"label", "created", "expires", "signature_base", "signature"}
    key = public_key(two["public_jwk"])
    assert key.check(base64.b64decode(proof["signature"]), proof["signature_base"].encode())
    assert '"@path": /keys\n"content-digest": sha-256=:' in proof["signature_base"]
    assert f'"signature-agent";key="sig1": "{first.url}"' in proof["signature_base"]
    assert await desk.keys(second) == [one, two]


async def test_every_change_is_told(services: Services, desk: KeyDesk) -> None:
    """The audit trail names the key, whose signature it was, the times, and the proof."""
    first, second = await with_two_keys(desk)
    third = Agent(generate(), first.uid)
    rotated = await desk.rotate(second, third.key, HOUR)
    await desk.retire(first, second.key.public.kid)
    await desk.revoke(third, first.key.public.kid)
    await desk.end(third)
    a, b, c = (agent.key.public.kid for agent in (first, second, third))
    added, turned, retired, revoked, ended = events(services, first.uid)
    assert added == ("key.added", b, a, {"proof": added[3]["proof"]})
    assert "signature_base" in added[3]["proof"]
    end = rotated.json["retiring"]["exp"]
    assert turned == ("key.rotated", c, b, {"old_kid": b, "old_not_after": end, "proof": turned[3]["proof"]})
    assert retired == ("key.retired", b, a, {})
    assert revoked == ("key.revoked", a, c, {})
    assert ended == ("agent.revoked", None, c, {})


async def test_a_plain_rotation_is_as_ever(services: Services, desk: KeyDesk) -> None:
    """Without an overlap, or with 0: three members, the old key is dead, and no proof is asked for."""
    for facts in ({}, {"overlap": 0}):
        agent, new = await services.agent(), generate()
        answer = await desk.say(agent, "POST", "/rotate", {"public_jwk": new.public.jwk, **facts})
        assert answer.json == {"uid": agent.uid, "kid": new.public.kid, "public_jwk": new.public.jwk}
        assert (await desk.verify(agent)).verdict == (401, "REVOKED_KEY")
        assert await services.directory(agent) == [new.public.kid]
        assert events(services, agent.uid)[0][3] == {"old_kid": agent.key.public.kid}


async def test_a_rotation_leaves_the_other_keys_alone(services: Services, desk: KeyDesk) -> None:
    """Only the key that signs is replaced."""
    first, second = await with_two_keys(desk)
    new = generate()
    assert (await services.rotate(first, new)).status == 200
    assert await services.directory(first) == [second.key.public.kid, new.public.kid]


async def test_a_staged_rotation(services: Services, desk: KeyDesk) -> None:
    """The old key is retiring until the end that the answer names: published last, verified, and nothing more."""
    old, new = await services.agent(), generate()
    answer = await desk.rotate(old, new, HOUR)
    exp = answer.json["retiring"]["exp"]
    assert answer.json == {
        "uid": old.uid,
        "kid": new.public.kid,
        "public_jwk": new.public.jwk,
        "retiring": {"kid": old.key.public.kid, "exp": exp},
    }
    assert 0 <= exp - HOUR - int(desk._clock()) + 2 <= 2
    shown = (
        await services.call("GET", "/.well-known/http-message-signatures-directory", host=old.url[8:])
    ).json
    assert shown["keys"] == [new.public.jwk, old.key.public.jwk | {"exp": exp}]
    for agent in (old, Agent(new, old.uid)):
        assert (await desk.whoami(agent)).json["kid"] == agent.key.public.kid
        assert (await desk.verify(agent)).json["kid"] == agent.key.public.kid
    assert await desk.states(Agent(new, old.uid)) == {
        new.public.kid: "active",
        old.key.public.kid: "retiring",
    }


@pytest.mark.parametrize("overlap", [-1, 604_801, 1.5, True, "60", None])
async def test_an_overlap_is_a_number_of_seconds(services: Services, desk: KeyDesk, overlap: Any) -> None:
    """What is none, or more than `MAX_ROTATION_OVERLAP`, changes nothing."""
    agent = await services.agent()
    assert (await desk.rotate(agent, generate(), overlap)).verdict == (400, "MALFORMED_REQUEST")
    assert await services.directory(agent) == [agent.key.public.kid]


async def test_delete_takes_a_key_out_of_use(services: Services, desk: KeyDesk) -> None:
    """Everywhere at once, for ever, and the same answer again; the agent's other key goes on."""
    first, second = await with_two_keys(desk)
    kid = second.key.public.kid
    for _ in range(2):
        assert (await desk.retire(first, kid)).json == {"uid": first.uid, "kid": kid, "state": "revoked"}
    assert (await desk.verify(second)).verdict == (401, "REVOKED_KEY")
    assert (await desk.whoami(second)).verdict == (401, "REVOKED_KEY")
    assert await services.directory(first) == [first.key.public.kid]
    assert (await desk.add(first, second.key)).verdict == (409, "KEY_REVOKED")
    assert [event for event, *_ in events(services, first.uid)] == ["key.added", "key.retired"]


async def test_a_key_may_take_itself_out_but_not_the_last(services: Services, desk: KeyDesk) -> None:
    """The second key goes by its own signature; then the first is the last, and stays."""
    first, second = await with_two_keys(desk)
    assert (await desk.retire(second, second.key.public.kid)).status == 200
    assert (await desk.retire(first, first.key.public.kid)).verdict == (409, "LAST_KEY")
    assert (await desk.verify(first)).status == 200


async def test_a_retiring_key_is_no_reason_to_let_the_last_one_go(services: Services, desk: KeyDesk) -> None:
    """Usable is what may change keys: a retiring key can be taken out, and does not count."""
    old, new = await services.agent(), generate()
    await desk.rotate(old, new, HOUR)
    now = Agent(new, old.uid)
    assert (await desk.retire(now, new.public.kid)).verdict == (409, "LAST_KEY")
    assert (await desk.retire(now, old.key.public.kid)).status == 200
    assert (await desk.verify(old)).verdict == (401, "REVOKED_KEY")


@pytest.mark.parametrize("kid", ["", "x", "%2e%2e", "k" * 43])
async def test_a_key_that_the_agent_has_not(services: Services, desk: KeyDesk, kid: str) -> None:
    """Nobody's key, or what is none: 404."""
    agent = await services.agent()
    assert (await desk.retire(agent, kid)).verdict == (404, "NOT_FOUND")
    assert (await desk.revoke(agent, kid)).verdict == (404, "NOT_FOUND")


async def test_revoke_a_key_also_the_last(services: Services, desk: KeyDesk) -> None:
    """By any active key of the agent; the last one too, after which nobody acts as the agent."""
    first, second = await with_two_keys(desk)
    for by, gone in ((second, first), (second, second)):
        kid = gone.key.public.kid
        assert (await desk.revoke(by, kid)).json == {"uid": first.uid, "kid": kid, "state": "revoked"}
        assert (await desk.verify(gone)).verdict == (401, "REVOKED_KEY")
    assert await services.directory(first) == []
    assert (await desk.revoke(second, first.key.public.kid)).verdict == (401, "REVOKED_KEY")


async def test_an_agent_ends_itself(services: Services, desk: KeyDesk) -> None:
    """With all its keys, for ever: nothing verifies, nothing is published, nothing can be registered again."""
    first, second = await with_two_keys(desk)
    before = services.registrar.count("vestry_revocations_total", by="agent")
    assert (await desk.end(second)).json == {"uid": first.uid, "state": "revoked"}
    assert services.registrar.count("vestry_revocations_total", by="agent") == before + 1
    for agent in (first, second):
        assert (await desk.verify(agent)).verdict == (401, "REVOKED_KEY")
        assert (await desk.whoami(agent)).verdict == (401, "REVOKED_KEY")
        assert (await services.register(agent.key)).verdict == (409, "KEY_REVOKED")
    assert await services.directory(first) == []
    [(state,)] = services.sql("SELECT state FROM agents WHERE uid = %s", first.uid.removeprefix("agent-"))
    assert state == "revoked"


@pytest.mark.parametrize(
    "facts",
    [{}, {"agent": False}, {"agent": 1}, {"kid": 7}, {"kid": "x", "agent": True}, {"kid": None}, None],
)
async def test_what_to_revoke_is_said_plainly(
    services: Services, desk: KeyDesk, facts: dict[str, Any] | None
) -> None:
    """One key by its kid, or the agent: whatever else is said revokes nothing."""
    agent = await services.agent()
    assert (await desk.say(agent, "POST", "/revoke", facts)).verdict == (400, "MALFORMED_REQUEST")
    assert (await desk.verify(agent)).status == 200


async def test_which_key_may_be_added(services: Services, desk: KeyDesk) -> None:
    """A new one: not the agent's own, not a stranger's, not a tool's."""
    first, second = await with_two_keys(desk)
    other, tool = await services.agent(), generate()
    assert (await services.register(tool, "/tool/register")).status == 200
    assert (await desk.add(first, second.key)).verdict == (409, "KEY_IN_USE")
    assert (await desk.add(first, other.key)).verdict == (409, "KEY_TAKEN")
    assert (await desk.add(first, tool)).verdict == (409, "KEY_TAKEN")
    assert (await desk.add(first, first.key)).verdict == (409, "KEY_IN_USE")


async def test_no_more_keys_than_the_operator_allows(services: Services) -> None:
    """Retiring keys count; a plain rotation of a full agent works, for it adds none; taking one out makes room."""
    with services.another_registrar(MAX_KEYS_PER_AGENT="2") as registrar:
        desk = KeyDesk(services, registrar)
        first, second = await with_two_keys(desk)
        full = (409, "TOO_MANY_KEYS")
        assert (await desk.add(first, generate())).verdict == full
        assert (await desk.rotate(first, generate(), HOUR)).verdict == full
        third = Agent(generate(), first.uid)
        assert (await desk.rotate(second, third.key, 0)).status == 200
        assert (await desk.retire(first, third.key.public.kid)).status == 200
        assert (await desk.rotate(first, generate(), HOUR)).status == 200
        assert (await desk.rotate(first, generate(), HOUR)).verdict == (401, "REVOKED_KEY")


async def test_many_changes_at_once(services: Services) -> None:
    """Ten additions, ten rotations and ten removals at once: never above the most, never without a usable key."""
    with services.another_registrar(MAX_KEYS_PER_AGENT="4") as registrar:
        desk = KeyDesk(services, registrar)
        first, second = await with_two_keys(desk)
        done = asyncio.Event()
        seen: list[tuple[int, int]] = []

        async def watch() -> None:
            while not done.is_set():
                [counts] = services.sql(
                    "SELECT count(*), count(*) FILTER (WHERE k.state = 'active') "
                    "FROM public_jwks k JOIN agents a ON a.id = k.agent_id "
                    "WHERE a.uid = %s AND k.state <> 'revoked'",
                    first.uid.removeprefix("agent-"),
                )
                seen.append(counts)
                await asyncio.sleep(0)

        watching = asyncio.create_task(watch())
        answers = await asyncio.gather(
            *(desk.add(first, generate()) for _ in range(10)),
            *(desk.rotate(second, generate(), HOUR) for _ in range(5)),
            *(desk.rotate(first, generate(), 0) for _ in range(5)),
            *(desk.retire(by, by.key.public.kid) for by in (first, second) for _ in range(5)),
        )
        done.set()
        await watching
        assert {answer.verdict for answer in answers} <= {
            (200, ""), (401, "REVOKED_KEY"), (409, "TOO_MANY_KEYS"), (409, "LAST_KEY"),
        }  # fmt: skip
        assert max(total for total, _ in seen) <= 4
        assert min(usable for _, usable in seen) >= 1


async def test_both_of_two_keys_at_once(services: Services, desk: KeyDesk) -> None:
    """Each takes itself out at the same moment: one goes, the other is the last and stays."""
    for _ in range(5):
        pair = await with_two_keys(desk)
        answers = await asyncio.gather(*(desk.retire(agent, agent.key.public.kid) for agent in pair))
        assert sorted(answer.verdict for answer in answers) == [(200, ""), (409, "LAST_KEY")]
        assert len(await services.directory(pair[0])) == 1


async def test_ten_staged_rotations_at_once(services: Services, desk: KeyDesk) -> None:
    """By one key: one wins, the key is retiring, and to the others it is out of use."""
    agent = await services.agent()
    answers = await asyncio.gather(*(desk.rotate(agent, generate(), HOUR) for _ in range(10)))
    assert sorted(answer.verdict for answer in answers) == [(200, "")] + [(401, "REVOKED_KEY")] * 9
    assert len(await services.directory(agent)) == 2


async def test_keys_that_were_are_shown_last(services: Services, desk: KeyDesk) -> None:
    """Of those that are out of use the latest comes first."""
    agents = [await services.agent()]
    for _ in range(3):
        agents.append(Agent(generate(), agents[0].uid))
        assert (await services.rotate(agents[-2], agents[-1].key)).status == 200
    assert list(await desk.states(agents[-1])) == [agent.key.public.kid for agent in reversed(agents)]


async def test_methods_of_the_new_routes(services: Services) -> None:
    """What a path does not do is 405, and says what it does."""
    for method, path, allowed in (
        ("PUT", "/keys", "GET,POST"), ("GET", "/keys/x", "DELETE"), ("GET", "/revoke", "POST"),
    ):  # fmt: skip
        answer = await services.call(method, path)
        assert answer.verdict == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["Allow"].replace(" ", "") == allowed
