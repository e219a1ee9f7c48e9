"""`POST /verify`: a tool says what it received and learns which agent signed it (wire contract, section 5)."""

from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from aiohttp import hdrs, web

from vestry_service.observed import OBSERVED
from vestry_service.requests import parse_json_object, read_body
from vestry_signatures.errors import VestryError
from vestry_verifier.judge import Asked, Judge
from vestry_verifier.question import question_or_error
from vestry_verifier.rendering import facts_of
from vestry_verifier.tools import Tools

MAX_BODY: Final = 64 * 1024
Handler = Callable[[web.Request], Awaitable[web.Response]]


def verify_handler(judge: Judge, tools: Tools) -> Handler:
    """Return the handler: it asks the judge, by the rules of the tool that asks."""

    async def verify(request: web.Request) -> web.Response:
        tool = tools.of(request.headers.get(hdrs.AUTHORIZATION))
        verdict = await judge.judge(await _asked(request), tool)
        verdict.note(request[OBSERVED])
        if isinstance(verdict.answer, VestryError):
            raise verdict.answer
        return web.Response(body=orjson.dumps(facts_of(verdict.answer)), content_type="application/json")

    return verify


async def _asked(request: web.Request) -> Asked:
    try:
        return question_or_error(parse_json_object(await read_body(request, MAX_BODY)))
    except VestryError as error:
        return error
