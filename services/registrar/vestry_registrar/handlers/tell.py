"""The verifier's question, on the internal port: what does this key stand for? Public facts only."""

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from vestry_registrar.publisher import Publisher
from vestry_service.verification import THUMBPRINT
from vestry_signatures.agent_url import AGENT_UID

Handler = Callable[[web.Request], Awaitable[web.Response]]
PATH = "/internal/agents/{uid}/keys/{kid}"


def tell_handler(publisher: Publisher) -> Handler:
    """Return the handler: it rereads Postgres, has the live record written, and answers what it wrote."""

    async def tell(request: web.Request) -> web.Response:
        uid, kid = request.match_info["uid"], request.match_info["kid"]
        is_pair = AGENT_UID.fullmatch(uid) and THUMBPRINT.fullmatch(kid)
        record = await publisher.answer(uid, kid) if is_pair else None
        facts = None if record is None else record._asdict()
        return web.Response(body=orjson.dumps({"record": facts}), content_type="application/json")

    return tell
