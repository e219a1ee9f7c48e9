"""`POST /register` and `POST /tool/register`: a key becomes an agent's or a tool's (wire contract, section 4).

A bearer token beside the signature may say why it should: an enrolment token, where the mode asks for one
(`admission.py`), or an attach token, with which the key joins an agent that is there already (`attachment.py`).
"""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from vestry_registrar import bearer
from vestry_registrar.admission import Admission, Mode, Statements
from vestry_registrar.attachment import Attached, attach
from vestry_registrar.audit.event import Actor, Origin
from vestry_registrar.audit.origin import origin_of
from vestry_registrar.enrolment import Enrolled, EnrolledTool, register_agent, register_tool
from vestry_registrar.enrolment_queue import EnrolmentQueue
from vestry_registrar.offers import Offer
from vestry_registrar.proof import Proofs, body_of
from vestry_registrar.publisher import Publisher
from vestry_registrar.repository.enrolments import find_agent_key
from vestry_service.metrics import Metrics
from vestry_service.observed import OBSERVED
from vestry_service.postgres import Pool
from vestry_signatures.errors import VestryError

Handler = Callable[[web.Request], Awaitable[web.Response]]


Register = Callable[[web.Request, Offer, Origin], Awaitable[dict[str, Any]]]


def register_handler(
    pool: Pool, proofs: Proofs, publisher: Publisher, metrics: Metrics, mode: Mode
) -> Handler:
    """Return the handler that registers agents, and attaches keys to them."""
    statements = Statements(EnrolmentQueue(pool).enrol, find_agent_key)

    async def register(request: web.Request, offer: Offer, origin: Origin) -> dict[str, Any]:
        token = bearer.given(request, bearer.ATTACH)
        if token is not None:
            done = await attach(pool, token, offer.members, offer.key.kid, origin, offer.validity)
            if done is not None:
                return _attached(done, await publisher.publish(done.uid))
        admission = _admission(request, mode, token)
        enrolled = await register_agent(
            pool, offer.members, offer.key.kid, origin, offer.validity, admission, statements
        )
        await publisher.announce(enrolled)
        return _enrolled(enrolled)

    return _enrolling(proofs, register, metrics)


def register_tool_handler(pool: Pool, proofs: Proofs, metrics: Metrics, mode: Mode) -> Handler:
    """Return the handler that registers tools."""

    async def register(request: web.Request, offer: Offer, origin: Origin) -> dict[str, Any]:
        admission = _admission(request, mode, None)
        return _enrolled(await register_tool(pool, offer.members, offer.key.kid, origin, admission))

    return _enrolling(proofs, register, metrics)


def _admission(request: web.Request, mode: Mode, attach_token: str | None) -> Admission:
    """Say what admits a key. Who shows an attach token wants no new agent, so that token must count or fail."""
    if attach_token is not None:
        return Admission("token", None)
    return Admission(mode, bearer.given(request, bearer.ENROLMENT))


def _enrolling(proofs: Proofs, register: Register, metrics: Metrics) -> Handler:
    async def enrol(request: web.Request) -> web.Response:
        try:
            offer = await proofs.new_key(request, await body_of(request))
            facts = await register(request, offer, origin_of(request, Actor("key", offer.key.kid)))
        except VestryError as error:
            metrics.registrations.labels(error.reason).inc()
            raise
        metrics.registrations.labels(_result(facts)).inc()
        request[OBSERVED].uid = facts["uid"]
        return web.Response(body=orjson.dumps(facts), content_type="application/json")

    return enrol


def _result(facts: dict[str, Any]) -> str:
    if facts.get("attached"):
        return "attached"
    return "new" if facts["is_new"] else "known"


def _enrolled(enrolled: Enrolled | EnrolledTool) -> dict[str, Any]:
    facts = {"uid": enrolled.uid, "kid": enrolled.kid, "public_jwk": enrolled.jwk, "is_new": enrolled.is_new}
    return facts if enrolled.state == "active" else facts | {"state": enrolled.state}


def _attached(done: Attached, published: bool) -> dict[str, Any]:
    facts = {"uid": done.uid, "kid": done.kid, "public_jwk": done.jwk, "is_new": False, "attached": True}
    return facts if published else facts | {"published": False}
