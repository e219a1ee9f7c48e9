"""Finding agents: every question, and pages that neither skip nor repeat while others write."""

import asyncio
import time
from typing import Any

import pytest

from operator_desk import Desk
from services import Services
from vestry_registrar import cursor
from vestry_signatures.errors import MalformedRequest


@pytest.fixture
async def desk(services: Services) -> Desk:
    return await Desk.open(services)


async def label(services: Services, uid: str, text: str) -> None:
    services.sql("UPDATE agents SET label = %s WHERE uid = %s RETURNING id", text, uid.removeprefix("agent-"))


async def pages(desk: Desk, **asked: Any) -> list[list[str]]:
    """Every page of a search."""
    found: list[list[str]] = []
    more: dict[str, str] = {}
    while True:
        page = await desk.get("/agents", **asked, **more)
        found.append([agent["uid"] for agent in page["agents"]])
        if page["next"] is None:
            return found
        more = {"cursor": page["next"]}


async def test_by_uid_kid_and_their_beginnings(services: Services, desk: Desk) -> None:
    """Whole or in part; an agent is found by any key it ever had."""
    agent, other = await services.agent(), await services.agent()
    kid = agent.key.public.kid
    for asked in ({"uid": agent.uid}, {"uid": agent.uid[:20]}, {"kid": kid}, {"kid": kid[:12]}):
        assert await desk.uids(**asked) == [agent.uid], asked
    assert await desk.uids(uid=agent.uid, kid=other.key.public.kid) == []
    await desk.do(f"/agents/{agent.uid}/keys/{kid}/revoke")
    assert await desk.uids(kid=kid) == [agent.uid]


async def test_by_label_state_and_time(services: Services, desk: Desk) -> None:
    """A part of the label in any case; the state now; registered from and before a time."""
    agent, other = await services.agent(), await services.agent()
    await label(services, agent.uid, "Build Farm No. 7")
    await desk.do(f"/agents/{agent.uid}/suspend")
    assert await desk.uids(label="farm no") == [agent.uid]
    assert agent.uid in await desk.uids(state="suspended")
    assert other.uid not in await desk.uids(state="suspended")
    now = int(time.time())
    assert {agent.uid, other.uid} <= set(await desk.uids(since=now - 60, until=now + 60))
    assert await desk.uids(since=now + 60) == []
    assert agent.uid not in await desk.uids(until="2026-01-01T00:00:00Z")
    assert agent.uid in await desk.uids(since="2020-01-01")


async def test_the_newest_come_first_with_their_keys_counted(services: Services, desk: Desk) -> None:
    """The order in which they registered, turned round."""
    agents = [await services.agent() for _ in range(3)]
    shown = (await desk.get("/agents", limit=3))["agents"]
    assert [agent["uid"] for agent in shown] == [agent.uid for agent in reversed(agents)]
    assert [agent["keys"] for agent in shown] == [{"active": 1}] * 3
    assert set(shown[0]) == {"uid", "state", "label", "created_at", "updated_at", "keys"}


async def test_pages_are_whole_while_others_write(services: Services, desk: Desk) -> None:
    """Whoever was there at the start comes exactly once, while agents register and change between the pages."""
    agents = [(await services.agent()).uid for _ in range(7)]
    for uid in agents:
        await label(services, uid, "paged")
    found: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = await desk.get("/agents", label="paged", limit=2, **more)
        found += [agent["uid"] for agent in page["agents"]]
        late = await services.agent()
        await label(services, late.uid, "paged")
        await desk.do(f"/agents/{found[0]}/suspend")
        await desk.do(f"/agents/{agents[0]}/suspend")
        if page["next"] is None:
            break
        more = {"cursor": page["next"]}
    assert found == list(reversed(agents))


async def test_the_last_page_says_so(services: Services, desk: Desk) -> None:
    """A page that holds exactly the rest has no next."""
    for _ in range(4):
        await label(services, (await services.agent()).uid, "four of them")
    assert [len(page) for page in await pages(desk, label="four of them", limit=2)] == [2, 2]
    assert [len(page) for page in await pages(desk, label="four of them", limit=3)] == [3, 1]
    assert await pages(desk, label="nobody has this") == [[]]


@pytest.mark.parametrize(
    "text", ["%", "_", "%%", "100%", "a_b", "\\", "'; DROP TABLE agents; --", "*", "[a]"]
)
async def test_no_character_of_a_search_is_special(services: Services, desk: Desk, text: str) -> None:
    """What a pattern or SQL would take for more than itself is found where it stands, and nowhere else."""
    plain, marked = await services.agent(), await services.agent()
    await label(services, plain.uid, "axb 100 percent")
    await label(services, marked.uid, f"<{text}> {marked.uid}")
    assert await desk.uids(label=f"<{text}> {marked.uid}") == [marked.uid]
    assert plain.uid not in await desk.uids(label=text, limit=200)


@pytest.mark.parametrize(
    "asked",
    ["limit=0", "limit=201", "limit=-1", "limit=x", "limit=", "uid=agent-XYZ", "uid=%25", "kid=%25", "kid=",
     "kid=a%00b", "label=", "label=a%00b", "state=dead", "state=", "since=yesterday", "until=",
     "since=1&since=2", "colour=red", "cursor=", "cursor=x", "cursor=AAAA", "uid=agent-" + "0" * 25],
)  # fmt: skip
async def test_a_question_of_another_form_is_refused(desk: Desk, asked: str) -> None:
    """Nothing is read as something near it, and nothing is left out in silence."""
    assert (await desk.call("GET", f"/agents?{asked}")).verdict == (400, "MALFORMED_REQUEST")


async def test_a_cursor_belongs_to_its_question(services: Services, desk: Desk) -> None:
    """Taken to another question, cut or changed in any character, it is refused."""
    for _ in range(2):
        await services.agent()
    word = (await desk.get("/agents", limit=1, state="active"))["next"]
    assert (await desk.call("GET", f"/agents?limit=1&cursor={word}")).verdict == (400, "MALFORMED_REQUEST")
    for place in range(len(word)):
        other = "A" if word[place] != "A" else "B"
        changed = word[:place] + other + word[place + 1 :]
        with pytest.raises(MalformedRequest):
            cursor.decode(changed, {"state": "active"})
        with pytest.raises(MalformedRequest):
            cursor.decode(word[:place], {"state": "active"})
    assert (await desk.call("GET", f"/agents?limit=1&state=active&cursor={word}")).status == 200


async def test_tokens_have_pages_too(services: Services, desk: Desk) -> None:
    """The newest first; no token and no hash is ever shown again."""
    made = [await desk.enrolment_token(label=f"token {number}") for number in range(3)]
    first = await desk.call("GET", "/enrolment-tokens?limit=2")
    rest = await desk.get("/enrolment-tokens", limit=2, cursor=first.json["next"])
    labels = [token["label"] for token in first.json["tokens"] + rest["tokens"]]
    assert labels[:3] == ["token 2", "token 1", "token 0"]
    assert not any(token.encode() in first.body for token in made)
    assert "hash" not in first.body.decode()


@pytest.mark.parametrize(
    "facts",
    [{}, {"label": ""}, {"label": "x" * 101}, {"label": "a\u202eb"}, {"label": "x", "uses": 0},
     {"label": "x", "uses": True}, {"label": "x", "uses": 1.5}, {"label": "x", "uses": 10**9},
     {"label": "x", "expires_in": 0}, {"label": "x", "expires_in": 10**9}, {"label": "x", "expires_at": 1}],
)  # fmt: skip
async def test_a_token_of_another_form_is_refused(
    services: Services, desk: Desk, facts: dict[str, Any]
) -> None:
    """And none is made."""
    [before] = services.sql("SELECT count(*) FROM tokens")
    assert (await desk.call("POST", "/enrolment-tokens", facts)).verdict == (400, "MALFORMED_REQUEST")
    assert services.sql("SELECT count(*) FROM tokens") == [before]


async def test_two_operators_at_once_change_one_agent(services: Services, desk: Desk) -> None:
    """Whatever the order, the trail tells it, and the end is one of the two."""
    agent = await services.agent()
    await asyncio.gather(
        *(
            desk.call("POST", f"/agents/{agent.uid}/{verb}", {"reason": "x"})
            for verb in ("suspend", "revoke") * 5
        )
    )
    shown = await desk.get(f"/agents/{agent.uid}")
    assert shown["state"] == "revoked"
    names = [event["event"] for event in shown["events"]]
    assert names.count("agent.revoked") == 1
    assert names[0] == "agent.revoked"
