"""Tools with policies: each rule counts, whichever way a tool asks, and nothing is spent for what it refuses."""

from pathlib import Path

import pytest

from limited import shown
from offers import answering
from services import TOOL, Services
from signer import content_digest
from tool_desk import ToolDesk, tool_desk
from tools_files import OTHER_TOKEN, TOKEN, book, hashed, tool

UNSIGNED: dict[str, str] = {}
METHOD_TOO = ('"@authority"', '"@method"')


async def test_who_asks(services: Services, tmp_path: Path) -> None:
    """The token says which tool; none is the default tool; any other is nobody."""
    text = tool() + '[default]\nauthorities = ["open.example"]\n'
    agent = await services.agent()
    with tool_desk(services, tmp_path, text) as desk:
        assert (await desk.ask(agent.sign())).status == 200
        answer = await desk.ask(agent.sign(), token=None)
        assert answer.verdict == (401, "WRONG_AUTHORITY")
        opened = agent.sign(url="https://open.example/")
        assert (await desk.ask(opened, url="https://open.example/", token=None)).status == 200
        answer = await desk.ask(agent.sign(), token=OTHER_TOKEN)
        assert answer.verdict == (401, "TOOL_UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "outcome" not in answer.error


async def test_without_a_default_a_token_is_needed(services: Services, tmp_path: Path) -> None:
    """By each way in; the tool's own fault is told apart from a bad signature by the reason."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool()) as desk:
        answer = await desk.ask(agent.sign(), token=None)
        assert answer.verdict == (401, "TOKEN_REQUIRED")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.error["message"]
        assert (await desk.ask_in_front(agent.sign(), token=None)).status == 403
        signed = agent.sign()
        assert (await desk.ask_in_front(signed, token=OTHER_TOKEN)).headers[
            "X-Agent-Reason"
        ] == "TOOL_UNAUTHORIZED"
        assert (await desk.ask(signed)).status == 200, "nothing was spent"


@pytest.mark.parametrize("token", [None, OTHER_TOKEN], ids=["none", "wrong"])
async def test_a_proxy_is_told_where_its_token_belongs(
    services: Services, tmp_path: Path, token: str | None
) -> None:
    """Not into Authorization, which is the client's there."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool()) as desk:
        answer = await desk.ask_in_front(agent.sign(), token=token)
        assert "X-Vestry-Tool-Token" in answer.error["message"]
        assert "Authorization" not in answer.error["message"]


async def test_without_a_file_a_token_means_nothing(services: Services) -> None:
    """Everybody is the one open tool, as before there were files."""
    agent = await services.agent()
    desk = ToolDesk(services, services.verifier, Path())
    assert (await desk.ask(agent.sign())).status == 200


REFUSED = {
    "another's authority": ((), {"url": "https://elsewhere.example/"}, "WRONG_AUTHORITY", 401),
    "another port": ((), {"url": "https://tool.example:8443/"}, "WRONG_AUTHORITY", 401),
    "coverage": (('require = ["@method", "content-digest"]',), {}, "INSUFFICIENT_COVERAGE", 401),
    "coverage of a body": (('require_with_body = ["content-digest"]',), {}, "INSUFFICIENT_COVERAGE", 401),
    "profile": (('profiles = ["web-bot-auth"]',), {}, "INSUFFICIENT_COVERAGE", 401),
    "not allowed": (('allow = ["agent-0123456789abcdef01234567"]',), {}, "AGENT_NOT_ALLOWED", 403),
    "nobody allowed": (("allow = []",), {}, "AGENT_NOT_ALLOWED", 403),
    "denied": (('deny = ["{uid}"]',), {}, "AGENT_NOT_ALLOWED", 403),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_refused_by_each_way_and_nothing_spent(services: Services, tmp_path: Path, case: str) -> None:
    """/verify, a batch and a proxy's question meet the same rules; the signature is good for one use afterwards."""
    lines, changes, reason, status = REFUSED[case]
    agent = await services.agent()
    text = tool(*(line.format(uid=agent.uid) for line in lines))
    signed = agent.sign(**changes)
    with tool_desk(services, tmp_path, text) as desk:
        answer = await desk.ask(signed, **changes)
        assert answer.verdict == (status, reason)
        [result] = await desk.ask_all([desk.question(signed, **changes)])
        assert (result["error"]["status"], result["error"]["reason"]) == (status, reason)
        answer = await desk.ask_in_front(signed, **changes)
        assert (answer.status, answer.headers["X-Agent-Reason"]) == (status, reason)
        assert "X-Agent-Uid" not in answer.headers
    assert (await services.verify(signed, **changes)).status == 200


async def test_what_is_missing_is_named(services: Services, tmp_path: Path) -> None:
    """And what is covered by saying more is not missed."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool('require = ["@method", "@path", "content-digest"]')) as desk:
        answer = await desk.ask(agent.sign(covered=METHOD_TOO))
        assert "must cover @path, content-digest too" in answer.error["message"]
        digest = {"Content-Digest": content_digest(b"{}")}
        covered = (*METHOD_TOO, '"@target-uri"', '"content-digest"')
        signed = agent.sign("POST", headers=digest, covered=covered)
        answer = await desk.ask({**digest, **signed}, "POST")
        assert (answer.status, answer.json["content_digest"]) == (200, "unchecked")


async def test_a_body_that_is_known_to_be_empty_needs_no_digest(services: Services, tmp_path: Path) -> None:
    """Where it is unknown or not empty it does."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool('require_with_body = ["content-digest"]')) as desk:
        assert (await desk.ask(agent.sign(), body=b"")).status == 200
        for body in (None, b"{}"):
            assert (await desk.ask(agent.sign(), body=body)).verdict == (401, "INSUFFICIENT_COVERAGE")


async def test_a_second_signature_may_cover_what_the_first_does_not(
    services: Services, tmp_path: Path
) -> None:
    """Each is judged by itself; that which passes is spent, and the other one proves nothing."""
    agent, other = await services.agent(), await services.agent()
    one = agent.sign(label="sig1", named=f'sig1="{agent.url}", sig2="{other.url}"')
    two = other.sign(label="sig2", covered=METHOD_TOO, named=one["Signature-Agent"])
    both = {name: one[name] if name == "Signature-Agent" else f"{one[name]}, {two[name]}" for name in one}
    with tool_desk(services, tmp_path, tool('require = ["@method"]')) as desk:
        answer = await desk.ask(both)
        assert (answer.status, answer.json["uid"]) == (200, other.uid)
        assert (await desk.ask(both)).verdict == (401, "REPLAYED_NONCE")


async def test_observed(services: Services, tmp_path: Path) -> None:
    """200 with what would have been said; nobody is named who is not proven; nonces are spent; it is counted."""
    agent, signed = await services.agent(), {}
    with tool_desk(services, tmp_path, tool('mode = "observe"')) as desk:
        signed = agent.sign()
        answer = await desk.ask(signed)
        assert (answer.status, answer.json["mode"], answer.json["uid"]) == (200, "observe", agent.uid)
        answer = await desk.ask(signed)
        assert (answer.status, answer.json["mode"], answer.json["outcome"]) == (200, "observe", "invalid")
        assert answer.json["error"]["reason"] == "REPLAYED_NONCE"
        assert "uid" not in answer.json
        line = await desk.verifier.line_of(answer)
        assert (line["reason"], line["tool"], line["mode"]) == ("REPLAYED_NONCE", "inventory", "observe")
        [one, two] = await desk.ask_all([desk.question(UNSIGNED), desk.question(signed)])
        assert (one["outcome"], two["outcome"]) == ("unsigned", "invalid")
        answer = await desk.ask_in_front(signed)
        assert answer.status == 200
        assert answer.headers["X-Agent-Reason"] == "REPLAYED_NONCE"
        assert "X-Agent-Uid" not in answer.headers
        counted = {"tool": "inventory", "reason": "REPLAYED_NONCE"}
        assert desk.verifier.count("vestry_would_refuse_total", **counted) == 3
        answer = await desk.services.ask({"url": TOOL}, desk.verifier)
        assert answer.verdict == (401, "TOKEN_REQUIRED"), "who asks is not observed"


async def test_a_faulty_question_is_refused_also_by_who_observes(services: Services, tmp_path: Path) -> None:
    """The tool's own mistake is no verdict on anybody."""
    with tool_desk(services, tmp_path, tool('mode = "observe"')) as desk:
        assert (await desk.ask(UNSIGNED, url="nowhere")).verdict == (400, "INVALID_URI")


async def test_a_rate_for_each_agent(services: Services, tmp_path: Path) -> None:
    """So many at once, told in the fields; then 429; another agent and another tool have their own."""
    agent, other = await services.agent(), await services.agent()
    text = tool('rate = "3/3600"') + tool('rate = "3/3600"', name="other", token=OTHER_TOKEN)
    with tool_desk(services, tmp_path, text) as desk:
        answers = [await desk.ask(agent.sign()) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        left = [shown(answer)["tool:inventory"] for answer in answers]
        assert [(each["r"], each["q"], each["w"]) for each in left] == [
            (2, 3, 3600), (1, 3, 3600), (0, 3, 3600), (0, 3, 3600),
        ]  # fmt: skip
        assert answers[3].error["reason"] == "RATE_LIMITED"
        assert 0 < int(answers[3].headers["Retry-After"]) <= 1200
        assert (await desk.ask(other.sign())).status == 200
        assert (await desk.ask(agent.sign(), token=OTHER_TOKEN)).status == 200
        assert desk.verifier.count("vestry_rate_limited_total", limit="tool:inventory") == 1


async def test_a_rate_over_a_batch_and_a_proxy(services: Services, tmp_path: Path) -> None:
    """All ways pour into one bucket; in a batch the first fit."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool('rate = "3/3600"')) as desk:
        assert (await desk.ask_in_front(agent.sign())).status == 200
        results = await desk.ask_all([desk.question(agent.sign()) for _ in range(4)])
        assert [result.get("uid") for result in results] == [agent.uid, agent.uid, None, None]
        assert [result.get("error", {}).get("reason") for result in results[2:]] == ["RATE_LIMITED"] * 2
        answer = await desk.ask_in_front(agent.sign())
        assert answer.headers["X-Agent-Reason"] == "RATE_LIMITED"
        assert int(answer.headers["Retry-After"]) > 0


async def test_room_for_nonces(services: Services, tmp_path: Path) -> None:
    """One key may have so many unexpired signatures at a tool; another key, and another tool, have their own room."""
    agent, other = await services.agent(), await services.agent()
    text = tool("max_nonces = 3") + tool(name="other", token=OTHER_TOKEN)
    with tool_desk(services, tmp_path, text) as desk:
        verdicts = [(await desk.ask(agent.sign())).verdict for _ in range(4)]
        assert verdicts == [(200, "")] * 3 + [(429, "RATE_LIMITED")]
        refused = agent.sign()
        answer = await desk.ask(refused)
        assert 0 < int(answer.headers["Retry-After"]) <= 600
        assert (await desk.ask(other.sign())).status == 200
        assert (await desk.ask(refused, token=OTHER_TOKEN)).status == 200, "it was not spent"


async def test_a_bound_by_the_settings(services: Services) -> None:
    """It counts without a file, over both services, and `off` switches it off."""
    agent = await services.agent()
    few = {"MAX_NONCES_PER_KEY": "2"}
    with services.another_verifier(**few) as verifier, services.another_registrar(**few) as registrar:
        assert (await services.verify(agent.sign(), verifier=verifier)).status == 200
        signed = agent.sign("GET", "https://agents.example/whoami")
        answer = await services.call("GET", "/whoami", signed, registrar=registrar)
        assert answer.status == 200
        assert (await services.verify(agent.sign(), verifier=verifier)).verdict == (429, "RATE_LIMITED")
        signed = agent.sign("GET", "https://agents.example/whoami")
        answer = await services.call("GET", "/whoami", signed, registrar=registrar)
        assert answer.verdict == (429, "RATE_LIMITED")
    with services.another_verifier(MAX_NONCES_PER_KEY="off") as verifier:
        assert (await services.verify(agent.sign(), verifier=verifier)).status == 200


OFFERS = [
    (),
    ('profiles = ["vestauth"]',),
    ('profiles = ["web-bot-auth"]', 'require = ["@method", "@path", "content-digest"]'),
    ('require = ["@target-uri"]', 'require_with_body = ["content-digest"]'),
]


@pytest.mark.parametrize("lines", OFFERS)
@pytest.mark.parametrize("nonces", ["optional", "required"])
async def test_who_does_what_a_401_asks_for_passes(
    services: Services, tmp_path: Path, lines: tuple[str, ...], nonces: str
) -> None:
    """Accept-Signature is read and answered, with nothing added but who signs."""
    agent = await services.agent()
    with tool_desk(services, tmp_path, tool(*lines), NONCE_POLICY=nonces) as desk:
        answer = await desk.ask(UNSIGNED, "POST")
        assert answer.headers["WWW-Authenticate"] == "Signature"
        digest = {"Content-Digest": content_digest(b"{}")}
        signed = answering(agent, answer.headers["Accept-Signature"], "POST", TOOL, digest)
        answer = await desk.ask(signed, "POST", body=b"{}")
        assert (answer.status, answer.json["uid"]) == (200, agent.uid)


async def test_an_open_verifier_warns_when_others_can_reach_it(services: Services, tmp_path: Path) -> None:
    """At the start, in the log; not on loopback, and not where a file says who may ask."""
    for environ, warns in (
        ({}, True), ({"BIND": "0.0.0.0"}, True), ({"BIND": "127.0.0.1,::"}, True), ({"BIND": "localhost,::1"}, False),
    ):  # fmt: skip
        with services.another_verifier(**environ) as verifier:
            assert ("no TOOLS_FILE is set" in verifier.log) is warns
    with tool_desk(services, tmp_path, tool()) as desk:
        assert "no TOOLS_FILE is set" not in desk.verifier.log


def test_the_token_in_the_tests_is_the_one_in_the_file() -> None:
    """What the other tests stand on."""
    assert list(book(tool()).by_hash) == [bytes.fromhex(hashed(TOKEN))]
