"""`POST /register` and `POST /tool/register`: a key becomes an agent's or a tool's (wire contract, section 4)."""

from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from vestry_registrar.audit.event import Actor, Origin
from vestry_registrar.audit.origin import origin_of
from vestry_registrar.enrolment import Enrolled, EnrolledTool, register_agent, register_tool
from vestry_registrar.proof import Proofs, body_of
from vestry_registrar.publisher import Publisher
from vestry_service.metrics import Metrics
from vestry_service.observed import OBSERVED
from vestry_service.postgres import Pool
from vestry_signatures import PublicKey
from vestry_signatures.errors import VestryError

Handler = Callable[[web.Request], Awaitable[web.Response]]


def register_handler(pool: Pool, proofs: Proofs, publisher: Publisher, metrics: Metrics) -> Handler:
    """Return the handler that registers agents."""

    async def register(key: PublicKey, origin: Origin) -> Enrolled:
        enrolled = await register_agent(pool, members(key), key.kid, origin)
        await publisher.announce(enrolled)
        return enrolled

    return _enrolling(proofs, register, metrics)


def register_tool_handler(pool: Pool, proofs: Proofs, metrics: Metrics) -> Handler:
    """Return the handler that registers tools."""

    async def register(key: PublicKey, origin: Origin) -> EnrolledTool:
        return await register_tool(pool, members(key), key.kid, origin)

    return _enrolling(proofs, register, metrics)


def _enrolling(
    proofs: Proofs,
    register: Callable[[PublicKey, Origin], Awaitable[Enrolled | EnrolledTool]],
    metrics: Metrics,
) -> Handler:
    async def enrol(request: web.Request) -> web.Response:
        try:
            key = await proofs.new_key(request, await body_of(request))
            enrolled = await register(key, origin_of(request, Actor("key", key.kid)))
        except VestryError as error:
            metrics.registrations.labels(error.reason).inc()
            raise
        metrics.registrations.labels("new" if enrolled.is_new else "known").inc()
        request[OBSERVED].uid = enrolled.uid
        return _answer(enrolled)

    return enrol


def _answer(enrolled: Enrolled | EnrolledTool) -> web.Response:
    facts = {
        "uid": enrolled.uid,
        "kid": enrolled.kid,
        "public_jwk": enrolled.jwk,
        "is_new": enrolled.is_new,
    }
    return web.Response(body=orjson.dumps(facts), content_type="application/json")


def members(key: PublicKey) -> dict[str, str]:
    """Return the members of a key that are stored: those that make it. Its kid stands beside it."""
    return {name: value for name, value in key.jwk.items() if name != "kid"}
