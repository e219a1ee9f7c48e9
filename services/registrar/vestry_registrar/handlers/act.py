"""`/whoami` and `POST /rotate`: requests that an agent signs with a key it has (wire contract, section 4)."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from vestry_registrar.audit.event import Actor
from vestry_registrar.audit.origin import origin_of
from vestry_registrar.handlers.enrol import members
from vestry_registrar.lifecycle import Rotated, rotate
from vestry_registrar.limits import Limits
from vestry_registrar.proof import Proofs, body_of, jwk_in
from vestry_registrar.publisher import Publisher
from vestry_service.metrics import Metrics
from vestry_service.postgres import Pool
from vestry_signatures import public_key
from vestry_signatures.agent_url import AgentUrls
from vestry_signatures.errors import VestryError

Handler = Callable[[web.Request], Awaitable[web.Response]]


def whoami_handler(proofs: Proofs, agents: AgentUrls) -> Handler:
    """Return the handler that tells an agent who it is."""

    async def whoami(request: web.Request) -> web.Response:
        uid, proof = await proofs.agent(request, await body_of(request))
        return _json(
            {
                "uid": uid,
                "kid": proof.key.kid,
                "public_jwk": proof.key.jwk,
                "well_known_url": agents.directory_url(uid),
            }
        )

    return whoami


def rotate_handler(
    pool: Pool, proofs: Proofs, limits: Limits, publisher: Publisher, metrics: Metrics
) -> Handler:
    """Return the handler that puts a new key in the place of the one that signs."""

    async def rotated(request: web.Request) -> Rotated:
        body = await body_of(request)
        new = public_key(jwk_in(body))
        uid, proof = await proofs.agent(request, body)
        await limits.change(request, uid)
        origin = origin_of(request, Actor("agent", proof.key.kid))
        return await rotate(pool, uid, proof.key.kid, members(new), new.kid, origin)

    async def handle(request: web.Request) -> web.Response:
        try:
            done = await rotated(request)
        except VestryError as error:
            metrics.rotations.labels(error.reason).inc()
            raise
        metrics.rotations.labels("rotated").inc()
        facts: dict[str, Any] = {"uid": done.uid, "kid": done.kid, "public_jwk": done.jwk}
        if not await publisher.publish(done.uid):
            facts["published"] = False
        return _json(facts)

    return handle


def _json(facts: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(facts), content_type="application/json")
