"""`POST /verify/batch`: many requests in one call, each answered as `/verify` would have (wire contract, section 5).

The answers stand in the order of the questions. What is wrong with one of them is said at its place, and changes
nothing for the others; of two copies of one request the later is the replay. All of them travel to the store in one
round trip. Single calls need not wait for a batch: it gives way every few questions.
"""

from functools import partial
from logging import INFO
from typing import Any, Final

import orjson
from aiohttp import hdrs

from vestry_service import problems
from vestry_service.exchange import Answer, Exchange, Reply
from vestry_service.logging import Logger
from vestry_service.observed import Observed
from vestry_service.requests import parse_json_object
from vestry_service.turns import in_turns
from vestry_signatures.errors import MalformedRequest
from vestry_verifier.judge import Judge, Verdict
from vestry_verifier.question import question_or_error
from vestry_verifier.rendering import told
from vestry_verifier.tools import Tools

MAX_QUESTIONS: Final = 256
MAX_BODY: Final = 1024 * 1024
"""Bytes: 4 KiB a question where there are as many as there may be."""


def batch_answer(judge: Judge, tools: Tools, logger: Logger) -> Answer:
    """Return what answers. Each question leaves a line of its own in the log, with its place in the batch."""

    async def verify_batch(exchange: Exchange) -> Reply:
        tool = tools.of(exchange.headers.get(hdrs.AUTHORIZATION))
        asked = _requests_in(parse_json_object(await exchange.body(MAX_BODY)))
        verdicts = await judge.judge_all(await in_turns(question_or_error, asked), tool)
        if logger.is_enabled_for(INFO):
            await in_turns(partial(_log, logger, exchange.seen.request_id), list(enumerate(verdicts)))
        results = await in_turns(_result, verdicts)
        return Reply(orjson.dumps({"results": results}))

    return verify_batch


def _requests_in(body: dict[str, Any]) -> list[Any]:
    asked = body.get("requests")
    if not isinstance(asked, list) or not asked:
        raise MalformedRequest('"requests" must be a list of questions as /verify takes them, at least one')
    if len(asked) > MAX_QUESTIONS:
        raise MalformedRequest(
            f'"requests" may hold {MAX_QUESTIONS} questions at most: send the rest in another'
        )
    return asked


def _result(verdict: Verdict) -> dict[str, Any]:
    refusal = verdict.refusal
    return told(verdict) if refusal is None else problems.error_object(refusal)


def _log(logger: Logger, request_id: str, placed: tuple[int, Verdict]) -> None:
    place, verdict = placed
    seen = Observed(request_id)
    verdict.note(seen)
    facts: dict[str, object] = {"request_id": request_id}
    seen.add_to(facts)
    facts["item"] = place
    logger.write(INFO, "judged", facts)
