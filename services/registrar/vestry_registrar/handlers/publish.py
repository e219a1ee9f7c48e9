"""What anybody may read: the front page, and the keys of an agent (wire contract, section 4)."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from vestry_registrar.directory import MEDIA_TYPE, jwk_set, render
from vestry_registrar.hosts import PLACE, at_base
from vestry_registrar.repository.keys import published_keys
from vestry_service.errors import NotFound
from vestry_service.postgres import Pool
from vestry_signatures.agent_url import AGENT_UID

Handler = Callable[[web.Request], Awaitable[web.Response]]
Clock = Callable[[], float]
"""Seconds since the epoch."""


def front_handler(pool: Pool, version: str, clock: Clock) -> Handler:
    """Return the handler of `GET /`: the service at the base, an agent with its keys at the agent's URL."""
    service = orjson.dumps({"service": "vestry", "status": "ok", "version": version})

    async def front(request: web.Request) -> web.Response:
        uid = request[PLACE].uid
        if uid is None:
            return web.Response(body=service, content_type="application/json")
        return render(request, {"uid": uid, **jwk_set(await _keys(pool, uid, clock))}, "application/json")

    return front


def directory_handler(pool: Pool, clock: Clock) -> Handler:
    """Return the handler of the directory at an agent's URL."""

    async def directory(request: web.Request) -> web.Response:
        uid = request[PLACE].uid
        if uid is None:
            raise NotFound("directories are at the agents' URLs: https://agent-….this-host")
        return render(request, jwk_set(await _keys(pool, uid, clock)), MEDIA_TYPE)

    return directory


def fallback_handler(pool: Pool, clock: Clock) -> Handler:
    """Return the handler of the directory under the base URL, for hosts without wildcard DNS."""

    async def directory(request: web.Request) -> web.Response:
        at_base(request)
        uid = request.match_info["uid"]
        if not AGENT_UID.fullmatch(uid):
            raise NotFound
        return render(request, jwk_set(await _keys(pool, uid, clock)), MEDIA_TYPE)

    return directory


async def _keys(pool: Pool, uid: str, clock: Clock) -> list[dict[str, Any]]:
    keys = await published_keys(pool, uid, int(clock()))
    if keys is None:
        raise NotFound("there is no such agent")
    return keys
