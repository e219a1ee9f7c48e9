"""What anybody may read: the front page, and the keys of an agent (wire contract, section 4)."""

from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from aiohttp import hdrs, web

from vestry_registrar.directories import Directories, Directory
from vestry_registrar.directory import MEDIA_TYPE, jwk_set, page, render
from vestry_registrar.hosts import PLACE, Place, at_base
from vestry_service.errors import NotFound
from vestry_service.exchange import Answer, Exchange, Reply
from vestry_signatures.agent_url import AGENT_UID

NOT_AT_THE_BASE: Final = "directories are at the agents' URLs: https://agent-….this-host"

Handler = Callable[[web.Request], Awaitable[web.Response]]


def front_handler(directories: Directories, version: str) -> Handler:
    """Return the handler of `GET /`: the service at the base, an agent with its keys at the agent's URL."""
    service = orjson.dumps({"service": "vestry", "status": "ok", "version": version})

    async def front(request: web.Request) -> web.Response:
        uid = request[PLACE].uid
        if uid is None:
            return web.Response(body=service, content_type="application/json")
        read = await _of(directories, uid)
        return render(request, page({"uid": uid, **jwk_set(read.found.keys)}), "application/json")

    return front


def directory_handler(directories: Directories) -> Handler:
    """Return the handler of the directory at an agent's URL."""

    async def directory(request: web.Request) -> web.Response:
        uid = request[PLACE].uid
        if uid is None:
            raise NotFound(NOT_AT_THE_BASE)
        return render(request, (await _of(directories, uid)).page, MEDIA_TYPE)

    return directory


def directory_answer(directories: Directories, place_of: Callable[[str], Place]) -> Answer:
    """Return what answers the same to plain requests, the short way (`vestry_service.lean`).

    Args:
        directories: of this registrar.
        place_of: says for which host a request is, as the guard does.
    """

    async def answer(exchange: Exchange) -> Reply:
        uid = place_of(exchange.headers[hdrs.HOST]).uid
        if uid is None:
            raise NotFound(NOT_AT_THE_BASE)
        shown = (await _of(directories, uid)).page
        return Reply(shown.body, shown.headers, MEDIA_TYPE)

    return answer


def fallback_handler(directories: Directories) -> Handler:
    """Return the handler of the directory under the base URL, for hosts without wildcard DNS."""

    async def directory(request: web.Request) -> web.Response:
        at_base(request)
        uid = request.match_info["uid"]
        if not AGENT_UID.fullmatch(uid):
            raise NotFound
        return render(request, (await _of(directories, uid)).page, MEDIA_TYPE)

    return directory


async def _of(directories: Directories, uid: str) -> Directory:
    read = await directories.of(uid)
    if read is None:
        raise NotFound("there is no such agent")
    return read
