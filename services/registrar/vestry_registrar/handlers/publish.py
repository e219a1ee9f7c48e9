"""What anybody may read: the front page, and the keys of an agent (wire contract, section 4)."""

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from vestry_registrar.directories import Directories, Directory
from vestry_registrar.directory import MEDIA_TYPE, jwk_set, page, render
from vestry_registrar.hosts import PLACE, at_base
from vestry_service.errors import NotFound
from vestry_signatures.agent_url import AGENT_UID

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
            raise NotFound("directories are at the agents' URLs: https://agent-….this-host")
        return render(request, (await _of(directories, uid)).page, MEDIA_TYPE)

    return directory


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
