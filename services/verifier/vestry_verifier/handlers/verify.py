"""`POST /verify`: a tool says what it received and learns which agent signed it (wire contract, section 5)."""

from typing import Final

import orjson
from aiohttp import hdrs

from vestry_service.exchange import Answer, Exchange, Refused, Reply
from vestry_service.requests import parse_json_object
from vestry_signatures.errors import VestryError
from vestry_verifier.judge import Asked, Judge
from vestry_verifier.question import question_or_error
from vestry_verifier.rendering import told
from vestry_verifier.tools import Tools

MAX_BODY: Final = 64 * 1024


def verify_answer(judge: Judge, tools: Tools) -> Answer:
    """Return what answers: it asks the judge, by the rules of the tool that asks."""

    async def verify(exchange: Exchange) -> Reply:
        tool = tools.of(exchange.headers.get(hdrs.AUTHORIZATION))
        verdict = await judge.judge(await _asked(exchange), tool)
        verdict.note(exchange.seen)
        if verdict.refusal is not None:
            raise Refused(verdict.refusal, verdict.headers)
        return Reply(orjson.dumps(told(verdict)), verdict.headers)

    return verify


async def _asked(exchange: Exchange) -> Asked:
    try:
        return question_or_error(parse_json_object(await exchange.body(MAX_BODY)))
    except VestryError as error:
        return error
