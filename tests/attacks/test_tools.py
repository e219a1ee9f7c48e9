"""Attacks on tools and their rules: by other tools, by agents that are not let in, by strangers, by half a file."""

import asyncio
import base64
import secrets
from pathlib import Path

import pytest

from services import HOST, TOOL, Agent, Services, until
from tool_desk import ToolDesk, tool_desk
from tools_files import OTHER_TOKEN, TOKEN, hashed, replaced, tool, written
from vestry_signatures import generate

ELSEWHERE = "https://victim.example/orders"
TWO = tool() + tool(name="victim", token=OTHER_TOKEN, authorities='["victim.example"]')


@pytest.mark.parametrize(
    "url",
    [
        ELSEWHERE,
        "https://VICTIM.example/orders",
        "https://victim.example:443/orders",
        "https://victim.example./orders",
        "http://victim.example:443/orders",
        "https://victim.example:8443/orders",
        "https://tool.example.victim.example/orders",
        "https://victim.example/tool.example",
    ],
)
async def test_a_tool_that_asks_about_anothers_requests(services: Services, tmp_path: Path, url: str) -> None:
    """In whatever spelling: it learns nothing, by no way, and uses nothing up."""
    agent = await services.agent()
    signed = agent.sign(url=ELSEWHERE)
    with tool_desk(services, tmp_path, TWO) as desk:
        assert (await desk.ask(signed, url=url)).verdict == (401, "WRONG_AUTHORITY")
        [result] = await desk.ask_all([desk.question(signed, url=url)])
        assert result["error"]["reason"] == "WRONG_AUTHORITY"
        answer = await desk.ask_in_front(signed, url=url)
        assert answer.headers["X-Agent-Reason"] == "WRONG_AUTHORITY"
        answer = await desk.ask(signed, url=ELSEWHERE, token=OTHER_TOKEN)
        assert (answer.status, answer.json["uid"]) == (200, agent.uid)


async def test_a_tool_under_anothers_host_in_one_batch(services: Services, tmp_path: Path) -> None:
    """One's own requests open no door for another's beside them."""
    agent = await services.agent()
    foreign = agent.sign(url=ELSEWHERE)
    with tool_desk(services, tmp_path, TWO) as desk:
        questions = [
            desk.question(agent.sign()),
            desk.question(foreign, url=ELSEWHERE),
            desk.question(agent.sign()),
        ]
        results = await desk.ask_all(questions)
        assert [result.get("outcome") for result in results] == ["verified", None, "verified"]
        assert (await desk.ask(foreign, url=ELSEWHERE, token=OTHER_TOKEN)).status == 200


GUESSES = {
    "empty": "Bearer ",
    "nothing": "",
    "scheme alone": "Bearer",
    "no scheme": TOKEN,
    "the hash": f"Bearer {hashed()}",
    "the hash with the prefix": f"Bearer vestry_tool_{hashed()[:43]}",
    "the hash of the hash": f"Bearer {hashed(hashed())}",
    "the bytes of the hash": f"Bearer {base64.b64encode(bytes.fromhex(hashed())).decode()}",
    "all but the end": f"Bearer {TOKEN[:-1]}",
    "one more": f"Bearer {TOKEN}a",
    "upper case": f"Bearer {TOKEN.upper()}",
    "another scheme": f"Basic {base64.b64encode(f'inventory:{TOKEN}'.encode()).decode()}",
    "two tokens": f"Bearer {TOKEN} {TOKEN}",
    "a list": f"Bearer {TOKEN}, Bearer {TOKEN}",
    "random": f"Bearer vestry_tool_{secrets.token_urlsafe(32)}",
    "long": f"Bearer {'a' * 4000}",
    "no text": "Bearer \xff\xfe\xfd" + "a" * 40,
}  # fmt: skip


@pytest.mark.parametrize("case", GUESSES)
async def test_a_token_that_is_guessed(services: Services, tmp_path: Path, case: str) -> None:
    """Nobody is let in by it, nor taken for who shows none; it is neither logged nor repeated."""
    guess = GUESSES[case]
    agent = await services.agent()
    signed = agent.sign()
    with tool_desk(services, tmp_path, tool() + '[default]\nauthorities = "*"\n') as desk:
        answer = await desk.ask(signed, authorization=guess)
        assert answer.verdict == (401, "TOOL_UNAUTHORIZED")
        line = await desk.verifier.line_of(answer)
        assert (line["reason"], "uid" in line) == ("TOOL_UNAUTHORIZED", False)
        shown = guess.split(" ")[-1]
        if len(shown) > 8:
            assert shown not in desk.verifier.log
            assert shown.encode("latin-1") not in answer.body
        assert (await desk.ask(signed)).status == 200


async def test_a_token_never_reaches_the_log(services: Services, tmp_path: Path) -> None:
    """A good one neither, nor its hash, when the file is read or used or mended."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool()) as desk:
        assert (await desk.ask(agent.sign())).status == 200
        replaced(desk.path, tool().replace(hashed(), TOKEN))

        async def refused() -> bool:
            return await desk.verifier.failing() == ["tools_file"]

        await until(refused)
        assert TOKEN not in desk.verifier.log
        assert hashed() not in desk.verifier.log


def spellings(agent: Agent) -> dict[str, str]:
    host = f"{agent.uid}.{HOST}"
    return {
        "as it is": f'sig1="https://{host}"',
        "upper case": f'sig1="HTTPS://{host.upper()}"',
        "default port": f'sig1="https://{host}:443"',
        "slash": f'sig1="https://{host}/"',
        "token": f"sig1={host}",
        "key set": f'sig1="https://{host}/.well-known/http-message-signatures-directory";type=jwks_uri',
        "path fallback": f'sig1="https://{HOST}/agents/{agent.uid}/.well-known/http-message-signatures-directory"',
        "trailing dot": f'sig1="https://{host}."',
        "plain http": f'sig1="http://{host}"',
    }  # fmt: skip


@pytest.mark.parametrize("spelling", spellings(Agent()))
async def test_a_denied_agent_under_another_spelling(
    services: Services, tmp_path: Path, spelling: str
) -> None:
    """Whatever it calls itself, it is who it is; a list that names it in upper case means it too."""
    agent, other = await services.agent(), await services.agent()
    lines = (f'deny = ["{agent.uid.upper()}"]', f'allow = ["{agent.uid}", "{other.uid}", "*"]')
    with tool_desk(services, tmp_path, tool(*lines)) as desk:
        answer = await desk.ask(agent.sign(named=spellings(agent)[spelling]))
        assert answer.verdict in {(403, "AGENT_NOT_ALLOWED"), (401, "INVALID_SIGNATURE_AGENT")}
        assert (spelling == "trailing dot") == (answer.status == 401)
        answer = await desk.ask(other.sign(named=spellings(other)[spelling]))
        assert answer.status == (401 if spelling == "trailing dot" else 200)


async def test_a_denied_agent_beside_one_that_is_allowed(services: Services, tmp_path: Path) -> None:
    """Who signs another's request too does not speak in it, and does not spoil it."""
    allowed, denied = await services.agent(), await services.agent()
    named = f'sig1="{denied.url}", sig2="{allowed.url}"'
    one, two = denied.sign(label="sig1", named=named), allowed.sign(label="sig2", named=named)
    both = {name: named if name == "Signature-Agent" else f"{one[name]}, {two[name]}" for name in one}
    with tool_desk(services, tmp_path, tool(f'allow = ["{allowed.uid}"]')) as desk:
        answer = await desk.ask(both)
        assert (answer.status, answer.json["uid"]) == (200, allowed.uid)


async def test_a_stranger_who_wants_to_know_who_is_on_a_list(services: Services, tmp_path: Path) -> None:
    """Without an agent's key nobody learns whether it may call."""
    allowed, denied = await services.agent(), await services.agent()
    with tool_desk(services, tmp_path, tool(f'allow = ["{allowed.uid}"]')) as desk:
        for key in (generate(), None):
            verdicts = set()
            for victim in (allowed, denied):
                signed = victim.sign() if key is None else Agent(key, victim.uid).sign()
                if key is None:
                    signed["Signature"] = f"sig1=:{base64.b64encode(secrets.token_bytes(64)).decode()}:"
                verdicts.add((await desk.ask(signed)).verdict)
            assert len(verdicts) == 1
            assert verdicts <= {(401, "UNKNOWN_KEY"), (401, "INVALID_SIGNATURE")}


@pytest.mark.parametrize("by", ["copies", "forgeries"])
async def test_a_stranger_using_up_what_an_agent_may_do(services: Services, tmp_path: Path, by: str) -> None:
    """Recorded requests sent again, and made-up ones, count for nothing against the agent."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool('rate = "3/3600"', "max_nonces = 3")) as desk:
        recorded = agent.sign()
        assert (await desk.ask(recorded)).status == 200
        if by == "forgeries":
            recorded = {**recorded, "Signature": f"sig1=:{base64.b64encode(bytes(64)).decode()}:"}
        answers = await asyncio.gather(*(desk.ask(recorded) for _ in range(20)))
        assert {answer.status for answer in answers} == {401}
        verdicts = [(await desk.ask(agent.sign())).status for _ in range(3)]
        assert verdicts == [200, 200, 429]


async def test_one_agent_filling_the_store(services: Services) -> None:
    """However many it signs, and however many verifiers are asked: no more nonces are kept than it may have."""
    bound = {"MAX_NONCES_PER_KEY": "20"}
    with services.another_verifier(**bound) as one, services.another_verifier(**bound) as two:
        for _ in range(5):
            agent, before = await services.agent(), len(services.spent())
            signed = [agent.sign() for _ in range(80)]
            asked = [
                services.verify(each, verifier=(one, two)[place % 2]) for place, each in enumerate(signed)
            ]
            found = sorted([answer.status for answer in await asyncio.gather(*asked)])
            assert len(services.spent()) - before <= 20
            if 503 not in found:  # a busy machine may not answer within 250 ms: then once more
                break
        assert found == [200] * 20 + [429] * 60
        assert (await services.verify((await services.agent()).sign(), verifier=one)).status == 200


async def test_a_flood_beyond_the_rate_leaves_nothing_behind(services: Services, tmp_path: Path) -> None:
    """Good signatures that are too many are refused before they are remembered."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool('rate = "1/3600"')) as desk:
        assert (await desk.ask(agent.sign())).status == 200
        before = services.spent()
        results = await desk.ask_all([desk.question(agent.sign()) for _ in range(30)])
        assert {result["error"]["reason"] for result in results} == {"RATE_LIMITED"}
        assert services.spent() <= before


async def test_a_yes_of_a_tool_that_only_observes(services: Services, tmp_path: Path) -> None:
    """Whoever looks for a name in such a 200 finds none, whatever was forged or claimed."""
    victim = await services.agent()
    forged = Agent(generate(), victim.uid).sign()
    claims = {"X-Agent-Uid": victim.uid, "X-Agent-Outcome": "verified"}
    with tool_desk(services, tmp_path, tool('mode = "observe"')) as desk:
        answer = await desk.ask({**forged, **claims})
        assert answer.status == 200
        assert answer.json["outcome"] != "verified"
        assert victim.uid not in answer.body.decode()
        answer = await desk.ask_in_front({**forged, **claims})
        assert (answer.status, answer.headers["X-Agent-Outcome"]) == (200, "unverified")
        assert victim.uid not in str(answer.headers)
        used = victim.sign()
        assert (await desk.ask(used)).json["uid"] == victim.uid
        assert (await services.verify(used)).verdict == (401, "REPLAYED_NONCE"), "it was spent for everybody"


async def test_half_a_file_that_has_lost_its_rules(services: Services, tmp_path: Path) -> None:
    """While a file is being written, slowly, the one before counts: no half of it lets anybody in."""
    agent = await services.agent()
    whole = tool(f'deny = ["{agent.uid}"]')
    with tool_desk(services, tmp_path, whole) as desk:
        half = whole.split("deny")[0]
        for end in range(len(half), len(whole) + 1, 3):
            written(desk.path, whole[:end])
            assert (await desk.ask(agent.sign())).verdict == (403, "AGENT_NOT_ALLOWED")
            await asyncio.sleep(0.1)
        assert await desk.verifier.failing() == []


async def test_a_file_that_is_emptied_or_taken_away(services: Services, tmp_path: Path) -> None:
    """Neither makes the verifier an open one."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool()) as desk:
        written(desk.path, "")

        async def refused() -> bool:
            return await desk.verifier.failing() == ["tools_file"]

        await until(refused)
        assert (await desk.ask(agent.sign(), token=None)).verdict == (401, "TOKEN_REQUIRED")
        assert (await desk.ask(agent.sign())).status == 200


async def test_a_file_that_stops_its_own_renewal(services: Services, tmp_path: Path) -> None:
    """Whatever stands in it: it is refused like any other fault, and the next file still counts."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool()) as desk:
        replaced(desk.path, tool(f"max_nonces = {'9' * 5000}"))

        async def refused() -> bool:
            return await desk.verifier.failing() == ["tools_file"]

        await until(refused)
        assert (await desk.ask(agent.sign())).status == 200
        replaced(desk.path, tool(f'deny = ["{agent.uid}"]'))

        async def renewed() -> bool:
            return await desk.verifier.failing() == []

        await until(renewed)
        assert (await desk.ask(agent.sign())).verdict == (403, "AGENT_NOT_ALLOWED")


def test_the_desk_asks_as_the_tool_of_the_file() -> None:
    """What the attacks stand on: the tool's own host is the one that honest requests are for."""
    assert TOOL.startswith("https://tool.example/")
    assert ToolDesk.question({})["url"] == TOOL
