"""`POST /register` and `POST /tool/register`: a key becomes an agent's or a tool's (wire contract, section 4).

A bearer token beside the signature may say why it should: an enrolment token, where the mode asks for one
(`admission.py`), or an attach token, with which the key joins an agent that is there already (`attachment.py`).
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

from vestry_registrar import bearer
from vestry_registrar.admission import Admission, Mode, Statements
from vestry_registrar.attachment import Attached, attach
from vestry_registrar.audit.event import Actor, Origin
from vestry_registrar.audit.origin import origin_of
from vestry_registrar.enrolment import Enrolled, EnrolledTool, register_agent, register_tool
from vestry_registrar.enrolment_queue import EnrolmentQueue
from vestry_registrar.offers import Offer
from vestry_registrar.proof import MAX_BODY, Proofs
from vestry_registrar.publisher import Publisher
from vestry_registrar.repository.enrolments import find_agent_key
from vestry_service.exchange import Answer, Exchange, Reply
from vestry_service.metrics import Metrics
from vestry_service.postgres import Pool
from vestry_signatures.errors import VestryError

RESULTS: Final = ("new", "known", "attached")
Register = Callable[[Exchange, Offer, Origin], Awaitable[dict[str, Any]]]


def register_answer(pool: Pool, proofs: Proofs, publisher: Publisher, metrics: Metrics, mode: Mode) -> Answer:
    """Return what registers agents, and attaches keys to them."""
    statements = Statements(EnrolmentQueue(pool).enrol, find_agent_key)

    async def register(exchange: Exchange, offer: Offer, origin: Origin) -> dict[str, Any]:
        token = bearer.given(exchange.headers, bearer.ATTACH)
        if token is not None:
            done = await attach(pool, token, offer.members, offer.key.kid, origin, offer.validity)
            if done is not None:
                return _attached(done, await publisher.publish(done.uid))
        admission = _admission(exchange, mode, token)
        enrolled = await register_agent(
            pool, offer.members, offer.key.kid, origin, offer.validity, admission, statements
        )
        await publisher.announce(enrolled)
        return _enrolled(enrolled)

    return _enrolling(proofs, register, metrics)


def register_tool_answer(pool: Pool, proofs: Proofs, metrics: Metrics, mode: Mode) -> Answer:
    """Return what registers tools."""

    async def register(exchange: Exchange, offer: Offer, origin: Origin) -> dict[str, Any]:
        admission = _admission(exchange, mode, None)
        return _enrolled(await register_tool(pool, offer.members, offer.key.kid, origin, admission))

    return _enrolling(proofs, register, metrics)


def _admission(exchange: Exchange, mode: Mode, attach_token: str | None) -> Admission:
    """Say what admits a key. Who shows an attach token wants no new agent, so that token must count or fail."""
    if attach_token is not None:
        return Admission("token", None)
    return Admission(mode, bearer.given(exchange.headers, bearer.ENROLMENT))


def _enrolling(proofs: Proofs, register: Register, metrics: Metrics) -> Answer:
    counters = {name: metrics.registrations.labels(name) for name in RESULTS}

    async def enrol(exchange: Exchange) -> Reply:
        seen = exchange.seen
        try:
            offer = await proofs.new_key(exchange, await exchange.body(MAX_BODY))
            facts = await register(exchange, offer, origin_of(seen, Actor("key", offer.key.kid)))
        except VestryError as error:
            metrics.registrations.labels(error.reason).inc()
            raise
        metrics.tally.add(counters[_result(facts)])
        seen.uid = facts["uid"]
        return Reply(orjson.dumps(facts))

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
