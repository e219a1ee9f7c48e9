"""`/verify/batch`: many questions in one call, each answered as `/verify` would have."""

import json
from typing import Any

import pytest
from redis import Redis

from services import Agent, Services, asked
from stores import ValkeyServer
from vestry_verifier.handlers.batch import MAX_BODY, MAX_QUESTIONS


def verdicts(results: list[dict[str, Any]]) -> list[str]:
    """The uid, or the reason of the refusal, of each result."""
    return [each["error"]["reason"] if "error" in each else each["uid"] for each in results]


async def test_each_result_is_what_verify_says(services: Services) -> None:
    """Facts and refusals are the very objects that single calls answer with, in the order of the questions."""
    agents = [await services.agent() for _ in range(3)]
    stranger = Agent(uid="agent-" + "0" * 24)
    makers = [
        lambda: asked(agents[0].sign()),
        lambda: asked({}),
        lambda: asked(agents[1].sign_strictly("POST"), "POST"),
        lambda: asked(stranger.sign()),
        lambda: {"method": "GET", "headers": {}},
        lambda: asked(agents[2].sign(), url="https://other.example/"),
        lambda: {**asked(agents[2].sign()), "body": 7},
        lambda: asked(agents[2].sign()),
    ]
    answer = await services.ask_many([make() for make in makers])
    assert answer.status == 200
    alone = [(await services.ask(make())).json for make in makers]
    for one, other in zip(answer.json["results"], alone, strict=True):
        for volatile in ("created", "expires"):
            one.pop(volatile, None)
            other.pop(volatile, None)
        assert one == other
    assert verdicts(answer.json["results"]) == [
        agents[0].uid,
        "MISSING_SIGNATURE_INPUT",
        agents[1].uid,
        "UNKNOWN_KEY",
        "MISSING_URI",
        "INVALID_SIGNATURE",
        "MALFORMED_REQUEST",
        agents[2].uid,
    ]


async def test_as_many_as_there_may_be(services: Services) -> None:
    """A whole batch passes, its agents met for the first time; one question more is refused and spends nothing."""
    agents = [await services.agent() for _ in range(8)]
    questions = [asked(agents[number % 8].sign()) for number in range(MAX_QUESTIONS)]
    answer = await services.ask_many([*questions, asked({})])
    assert answer.verdict == (400, "MALFORMED_REQUEST")
    answer = await services.ask_many(questions)
    assert verdicts(answer.json["results"]) == [agents[number % 8].uid for number in range(MAX_QUESTIONS)]


@pytest.mark.parametrize(
    "body", [{}, {"requests": []}, {"requests": None}, {"requests": {"0": {}}}, {"requests": "x"}, []]
)
async def test_a_body_that_is_no_batch(services: Services, body: Any) -> None:
    """What holds no question is a clear refusal, and never an empty success."""
    answer = await services.ask(body, path="/verify/batch")
    assert answer.verdict == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize("item", [None, 7, "x", [], {}])
async def test_an_item_that_is_no_question(services: Services, item: Any) -> None:
    """One bad item is refused at its place and spoils no other."""
    agent = await services.agent()
    answer = await services.ask_many([asked(agent.sign()), item, asked(agent.sign())])
    first, bad, last = answer.json["results"]
    assert first["uid"] == last["uid"] == agent.uid
    assert bad["error"]["status"] == 400


async def test_body_limit(services: Services) -> None:
    """A batch may be 1 MiB long, and no longer; single questions keep their 64 KiB."""
    agent = await services.agent()
    body = json.dumps({"requests": [asked(agent.sign())]}).encode()
    for size, status in ((MAX_BODY, 200), (MAX_BODY + 1, 413)):
        padded = body[:-1] + b" " * (size - len(body)) + b"}"
        assert (await services.ask(padded, path="/verify/batch")).status == status


async def test_counted_and_logged_one_by_one(services: Services) -> None:
    """Each question counts in the metrics, and has a line in the log that says who it was and what came of it."""
    verifier, agent = services.verifier, await services.agent()
    verified = {"outcome": "verified", "reason": "", "profile": "vestauth"}
    unsigned = {"outcome": "unsigned", "reason": "MISSING_SIGNATURE_INPUT", "profile": ""}
    name = "vestry_verifications_total"
    before = verifier.count(name, **verified), verifier.count(name, **unsigned)
    answer = await services.ask_many([asked(agent.sign()), asked({}), asked(agent.sign())])
    after = verifier.count(name, **verified), verifier.count(name, **unsigned)
    assert (after[0] - before[0], after[1] - before[1]) == (2, 1)
    request_id = answer.headers["X-Request-Id"]
    await verifier.line_of(answer)
    lines = [line for line in verifier.lines("judged") if line["request_id"] == request_id]
    told = [(line["item"], line["outcome"], line.get("uid"), line.get("reason")) for line in lines]
    assert told == [
        (0, "verified", agent.uid, None),
        (1, "unsigned", None, "MISSING_SIGNATURE_INPUT"),
        (2, "verified", agent.uid, None),
    ]


async def test_one_round_trip(doomed: Services, own_valkey: ValkeyServer) -> None:
    """A batch of agents that are known goes to the store once, however many questions it holds."""
    doomed.add_registrar()
    doomed.add_verifier()
    agents = [await doomed.agent() for _ in range(4)]

    def questions() -> list[dict[str, Any]]:
        return [asked(agents[number % 4].sign()) for number in range(64)]

    await doomed.ask_many(questions())
    with Redis.from_url(own_valkey.url) as client:
        client.config_resetstat()
        answer = await doomed.ask_many(questions())
        calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert {each["outcome"] for each in answer.json["results"]} == {"verified"}
    assert calls == 1


async def test_store_away(doomed: Services, own_valkey: ValkeyServer) -> None:
    """Without the store nothing in a batch verifies; what is refused for another reason still says why."""
    doomed.add_registrar()
    doomed.add_verifier()
    agent = await doomed.agent()
    assert (await doomed.verify(agent.sign())).status == 200
    own_valkey.pause()
    answer = await doomed.ask_many([asked(agent.sign()), asked({}), asked(agent.sign())])
    own_valkey.resume()
    assert verdicts(answer.json["results"]) == [
        "REPLAY_STORE_UNAVAILABLE",
        "MISSING_SIGNATURE_INPUT",
        "REPLAY_STORE_UNAVAILABLE",
    ]
