"""What an operator sees of agents and does to them."""

import asyncio
import time

import pytest

from operator_desk import Desk
from services import Agent, Services
from vestry_registrar.administration import TRANSITIONS, next_state
from vestry_registrar.repository.administration import AGENTS, TOOLS
from vestry_service.errors import WrongState
from vestry_signatures import generate


@pytest.fixture
async def desk(services: Services) -> Desk:
    return await Desk.open(services)


async def verdict(services: Services, agent: Agent) -> tuple[int, str]:
    """What a verifier says of the agent's next request."""
    return (await services.verify(agent.sign())).verdict


async def test_an_agent_is_shown_with_its_keys_and_what_was_done_to_it(
    services: Services, desk: Desk
) -> None:
    """State, times, every key and the latest events, the newest first, each with who did it."""
    agent, new = await services.agent(), generate()
    await services.rotate(agent, new)
    await desk.do(f"/agents/{agent.uid}/suspend", reason="lost laptop")
    shown = await desk.get(f"/agents/{agent.uid}")
    assert (shown["uid"], shown["state"], shown["label"], shown["version"]) == (
        agent.uid,
        "suspended",
        None,
        3,
    )
    assert abs(shown["created_at"] - time.time()) < 60
    assert [(key["kid"], key["state"]) for key in shown["keys"]] == [
        (agent.key.public.kid, "revoked"),
        (new.public.kid, "active"),
    ]
    assert [event["event"] for event in shown["events"]] == [
        "agent.suspended",
        "key.rotated",
        "agent.registered",
    ]
    newest = shown["events"][0]
    assert (newest["actor_kind"], newest["actor"]) == ("operator", desk.name)
    assert newest["details"] == {"reason": "lost laptop"}


async def test_suspend_and_resume(services: Services, desk: Desk) -> None:
    """A suspended agent is refused at the next request and shows no keys; a resumed one is as before."""
    agent = await services.agent()
    assert await verdict(services, agent) == (200, "")
    assert await desk.do(f"/agents/{agent.uid}/suspend") == {
        "uid": agent.uid,
        "state": "suspended",
        "changed": True,
    }
    assert await verdict(services, agent) == (401, "SUSPENDED_AGENT")
    assert await services.directory(agent) == []
    await desk.do(f"/agents/{agent.uid}/resume")
    assert await verdict(services, agent) == (200, "")
    assert await services.directory(agent) == [agent.key.public.kid]


async def test_revoke_for_ever(services: Services, desk: Desk) -> None:
    """A revoked agent has no key left anywhere, and nothing brings it back."""
    agent = await services.agent()
    await verdict(services, agent)
    assert (await desk.do(f"/agents/{agent.uid}/revoke"))["state"] == "revoked"
    assert await verdict(services, agent) == (401, "REVOKED_KEY")
    assert await services.directory(agent) == []
    for verb in ("resume", "approve", "suspend"):
        answer = await desk.call("POST", f"/agents/{agent.uid}/{verb}", {"reason": "regret"})
        assert answer.verdict == (409, "WRONG_STATE"), verb
    assert (await desk.call("POST", f"/agents/{agent.uid}/keys", {"reason": "regret"})).verdict == (
        409,
        "WRONG_STATE",
    )
    assert await verdict(services, agent) == (401, "REVOKED_KEY")


async def test_what_is_so_already_is_no_error_and_no_event(services: Services, desk: Desk) -> None:
    """An operator whose answer was lost asks again; the trail tells of one change."""
    agent = await services.agent()
    await desk.do(f"/agents/{agent.uid}/suspend")
    again = await desk.do(f"/agents/{agent.uid}/suspend")
    assert (again["state"], again["changed"]) == ("suspended", False)
    events = [event["event"] for event in (await desk.get(f"/agents/{agent.uid}"))["events"]]
    assert events == ["agent.suspended", "agent.registered"]


async def test_every_pair_of_states_is_decided() -> None:
    """Of every state and verb it is known what comes of it; out of `revoked` no way leads."""
    for kind, states in ((AGENTS, ("active", "suspended", "pending")), (TOOLS, ("active", "pending"))):
        for verb, transition in TRANSITIONS[kind].items():
            for state in states:
                if state == transition.after:
                    assert not next_state(state, transition).changed
                elif state in transition.before:
                    assert next_state(state, transition).state == transition.after
                else:
                    with pytest.raises(WrongState):
                        next_state(state, transition)
            if verb != "revoke":
                with pytest.raises(WrongState):
                    next_state("revoked", transition)


async def test_revoke_one_key_also_the_last(services: Services, desk: Desk) -> None:
    """The key fails at the next request; the agent stays, with no key."""
    agent = await services.agent()
    await verdict(services, agent)
    path = f"/agents/{agent.uid}/keys/{agent.key.public.kid}/revoke"
    assert (await desk.do(path))["changed"] is True
    assert (await desk.do(path))["changed"] is False
    assert await verdict(services, agent) == (401, "REVOKED_KEY")
    shown = await desk.get(f"/agents/{agent.uid}")
    assert (shown["state"], [key["state"] for key in shown["keys"]]) == ("active", ["revoked"])
    assert shown["events"][0]["event"] == "key.revoked"


async def test_who_is_not_there(services: Services, desk: Desk) -> None:
    """Unknown agents and keys are 404, and nothing else is said."""
    agent, other = await services.agent(), await services.agent()
    nobody = "agent-" + "0" * 24
    for method, path in (
        ("GET", f"/agents/{nobody}"),
        ("POST", f"/agents/{nobody}/suspend"),
        ("POST", f"/agents/{nobody}/keys"),
        ("POST", f"/agents/{agent.uid}/keys/{other.key.public.kid}/revoke"),
        ("POST", f"/tools/tool-{'0' * 24}/revoke"),
        ("POST", "/enrolment-tokens/999999999/revoke"),
        ("GET", "/agents/agent-%00"),
        ("POST", f"/agents/tool-{'0' * 24}/revoke"),
    ):
        answer = await desk.call(method, path, {"reason": "a test"} if method == "POST" else None)
        assert answer.verdict == (404, "NOT_FOUND"), path
    assert await verdict(services, other) == (200, "")


async def test_a_lost_rotation_is_healed_by_an_attached_key(services: Services, desk: Desk) -> None:
    """The old key is dead, the new one was thrown away: with a token the holder of a third key is the agent again."""
    agent = await services.agent()
    await services.rotate(agent, generate())
    allowed = await desk.do(f"/agents/{agent.uid}/keys", reason="the owner called")
    new = Agent()
    token = {"Authorization": f"Bearer {allowed['token']}"}
    answer = await services.register(new.key, also=token)
    assert answer.status == 200, answer.body
    assert (answer.json["uid"], answer.json["is_new"], answer.json["attached"]) == (agent.uid, False, True)
    assert await verdict(services, new.at(agent.uid)) == (200, "")
    assert new.key.public.kid in await services.directory(agent)
    attached, created = (await desk.get(f"/agents/{agent.uid}"))["events"][:2]
    assert (attached["event"], attached["actor_kind"], attached["actor"]) == (
        "key.attached",
        "key",
        new.key.public.kid,
    )
    assert attached["details"] == {"token": allowed["id"], "created_by": desk.name}
    assert (created["event"], created["details"]["reason"]) == ("token.created", "the owner called")
    # The answer was lost: the same again, with the used token, without one, gives the same agent.
    for also in (token, {}):
        again = await services.register(new.key, also=also)
        assert (again.status, again.json["uid"], again.json["is_new"]) == (200, agent.uid, False)
    # Nobody else's key comes in by the used token.
    assert (await services.register(generate(), also=token)).verdict == (401, "TOKEN_REQUIRED")


async def test_attaching_takes_only_a_new_key(services: Services, desk: Desk) -> None:
    """Another agent's key and the agent's own dead one are refused, and the token is still good afterwards."""
    agent, other = await services.agent(), await services.agent()
    await services.rotate(agent, generate())
    token = (await desk.do(f"/agents/{agent.uid}/keys"))["token"]
    also = {"Authorization": f"Bearer {token}"}
    assert (await services.register(other.key, also=also)).verdict == (409, "KEY_TAKEN")
    assert (await services.register(agent.key, also=also)).verdict == (409, "KEY_REVOKED")
    assert (await services.register(generate(), also=also)).json["uid"] == agent.uid


async def test_forty_at_once_attach_one_key(services: Services, desk: Desk) -> None:
    """A token is good for one key, however many come at the same moment."""
    agent = await services.agent()
    token = (await desk.do(f"/agents/{agent.uid}/keys"))["token"]
    also = {"Authorization": f"Bearer {token}"}
    answers = await asyncio.gather(*(services.register(generate(), also=also) for _ in range(40)))
    assert sorted(answer.status for answer in answers) == [200] + [401] * 39
    assert len((await desk.get(f"/agents/{agent.uid}"))["keys"]) == 2


async def test_tools_are_listed_and_revoked(services: Services, desk: Desk) -> None:
    """A revoked tool's key is nobody's for ever."""
    key = generate()
    uid = (await services.register(key, "/tool/register")).json["uid"]
    [tool] = (await desk.get("/tools", uid=uid))["tools"]
    assert (tool["uid"], tool["state"], tool["keys"]) == (uid, "active", {"active": 1})
    assert await desk.do(f"/tools/{uid}/revoke") == {"uid": uid, "state": "revoked", "changed": True}
    assert (await desk.do(f"/tools/{uid}/revoke"))["changed"] is False
    assert (await services.register(key, "/tool/register")).verdict == (409, "KEY_REVOKED")
    assert (await services.register(key)).verdict == (409, "KEY_TAKEN")
    [tool] = (await desk.get("/tools", kid=key.public.kid))["tools"]
    assert (tool["state"], tool["keys"]) == ("revoked", {"revoked": 1})


async def test_counts(services: Services, desk: Desk) -> None:
    """They follow what is done."""
    before = await desk.get("/counts")
    agent = await services.agent()
    await desk.do(f"/agents/{agent.uid}/revoke")
    after = await desk.get("/counts")
    assert after["agents"]["revoked"] == before["agents"]["revoked"] + 1
    assert after["keys"]["revoked"] == before["keys"]["revoked"] + 1
    assert set(after["agents"]) == {"active", "suspended", "pending", "revoked"}
    assert set(after["tools"]) == {"active", "pending", "revoked"}


async def test_revocations_are_counted(services: Services, desk: Desk) -> None:
    """Each once, under who did it."""

    def counted() -> float:
        return services.registrar.count("vestry_revocations_total", by="operator")

    before, agent = counted(), await services.agent()
    await desk.do(f"/agents/{agent.uid}/suspend")
    assert counted() == before
    for _ in range(2):
        await desk.do(f"/agents/{agent.uid}/revoke")
    assert counted() == before + 1


@pytest.mark.parametrize(
    "body",
    [{}, {"reason": ""}, {"reason": "  "}, {"reason": 7}, {"reason": "a\u0000b"}, {"reason": "x" * 501},
     {"reason": "a\nb"}, {"reason": "x", "force": True}, [], "reason"],
)  # fmt: skip
async def test_every_change_needs_a_reason(services: Services, desk: Desk, body: object) -> None:
    """One that people can read in the trail, and no member that would have no effect."""
    agent = await services.agent()
    answer = await desk.call("POST", f"/agents/{agent.uid}/revoke", body)
    assert answer.verdict == (400, "MALFORMED_REQUEST")
    assert await verdict(services, agent) == (200, "")


async def test_every_call_is_told_to_the_trail(services: Services, desk: Desk) -> None:
    """Who looked at what, and when, stands in the trail as well as who changed what."""
    agent = await services.agent()
    await desk.get(f"/agents/{agent.uid}")
    await desk.get("/agents?state=active")
    (newest,), (older,) = services.sql(
        "SELECT details FROM audit_events WHERE event = 'admin.called' AND actor = %s ORDER BY id DESC LIMIT 2",
        desk.name,
    )
    assert newest == {"method": "GET", "route": "/admin/agents"}
    assert (older["method"], older["uid"]) == ("GET", agent.uid)
