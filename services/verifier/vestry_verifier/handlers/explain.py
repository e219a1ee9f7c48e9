"""`POST /verify/explain`: every check that `/verify` would make, with what it saw. It spends nothing.

The internal port answers whoever reaches it, by the rules of the settings, or by those of the tool whose token is
shown. The public port answers a tool whose token has the right, and nobody else: to a stranger it does not exist.
"""

import orjson
from aiohttp import hdrs

from vestry_service.errors import NotFound
from vestry_service.exchange import Answer, Exchange, Reply
from vestry_service.requests import parse_json_object
from vestry_verifier.explain.explainer import Explainer
from vestry_verifier.handlers.verify import MAX_BODY
from vestry_verifier.question import question_or_error
from vestry_verifier.tool_policy import ToolPolicy
from vestry_verifier.tools import Tools


def explain_answer(explainer: Explainer, tools: Tools, inside: ToolPolicy | None = None) -> Answer:
    """Return what answers.

    Args:
        explainer: explains.
        tools: the tools that may ask.
        inside: by whose rules one asks who shows no token, on the internal port; None on the public one.
    """

    async def explain(exchange: Exchange) -> Reply:
        tool = _tool(exchange.headers.get(hdrs.AUTHORIZATION))
        asked = question_or_error(parse_json_object(await exchange.body(MAX_BODY)))
        told, verdict = await explainer.explain(asked, tool)
        verdict.note(exchange.seen)
        return Reply(orjson.dumps(told))

    def _tool(authorization: str | None) -> ToolPolicy:
        if inside is not None:
            return inside if authorization is None else tools.of(authorization)
        tool = tools.of(authorization)
        if not tool.may_explain:
            raise NotFound
        return tool

    return explain
