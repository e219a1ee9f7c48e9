"""`/whoami` and `POST /rotate`: requests that an agent signs with a key it has (wire contract, section 4)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from vestry_registrar.audit.event import Actor
from vestry_registrar.audit.origin import origin_of
from vestry_registrar.key_proof import Change, evidence
from vestry_registrar.lifecycle import Rotated, Signer, rotate
from vestry_registrar.limits import Limits
from vestry_registrar.offers import Offer, facts_in, jwk_in, read_offer
from vestry_registrar.proof import Caller, Proofs, body_of
from vestry_registrar.publisher import Publisher
from vestry_registrar.repository.rotations import ComingKey
from vestry_registrar.settings import RegistrarSettings
from vestry_service.metrics import Metrics
from vestry_service.observed import OBSERVED
from vestry_service.postgres import Pool
from vestry_signatures.agent_url import AgentUrls
from vestry_signatures.errors import InvalidJwk, MalformedRequest, VestryError

Handler = Callable[[web.Request], Awaitable[web.Response]]


def whoami_handler(proofs: Proofs, agents: AgentUrls) -> Handler:
    """Return the handler that tells an agent who it is."""

    async def whoami(request: web.Request) -> web.Response:
        caller = await proofs.agent(request, await body_of(request))
        return as_json(
            {
                "uid": caller.uid,
                "kid": caller.kid,
                "public_jwk": caller.proof.key.jwk,
                "well_known_url": agents.directory_url(caller.uid),
            }
        )

    return whoami


def rotate_handler(
    pool: Pool,
    proofs: Proofs,
    limits: Limits,
    publisher: Publisher,
    metrics: Metrics,
    settings: RegistrarSettings,
) -> Handler:
    """Return the handler that puts a new key in the place of the one that signs, at once or after an overlap."""

    async def rotated(request: web.Request) -> tuple[Rotated, str]:
        body = await body_of(request)
        facts = facts_in(body)
        offer = read_offer(jwk_in(facts), proofs.now)
        if offer.validity.is_to_come(proofs.now):
            raise InvalidJwk('"nbf" is to come: rotate when the new key may be used, or add it until then')
        overlap = overlap_in(facts, settings.max_rotation_overlap)
        caller = await proofs.agent(request, body, Change(offer.key, needs_proof=overlap > 0))
        await limits.change(request[OBSERVED], caller.uid)
        signer, new = signer_of(request, caller), coming(offer, caller)
        return await rotate(pool, signer, new, overlap, settings.max_keys_per_agent), caller.kid

    async def handle(request: web.Request) -> web.Response:
        try:
            done, old_kid = await rotated(request)
        except VestryError as error:
            metrics.rotations.labels(error.reason).inc()
            raise
        metrics.rotations.labels("rotated").inc()
        facts: dict[str, Any] = {"uid": done.uid, "kid": done.kid, "public_jwk": done.jwk}
        if done.old_end is not None:
            facts["retiring"] = {"kid": old_kid, "exp": done.old_end}
        return await published(publisher, done.uid, facts)

    return handle


def overlap_in(facts: Mapping[str, Any], most: int) -> int:
    """Take `overlap` (seconds) out of a body's facts; 0 where it is not there. Raises MalformedRequest."""
    overlap = facts.get("overlap", 0)
    if type(overlap) is not int or not 0 <= overlap <= most:  # a boolean is an int to isinstance
        raise MalformedRequest(f'"overlap" must be a whole number of seconds from 0 to {most}')
    return overlap


def signer_of(request: web.Request, caller: Caller) -> Signer:
    """Say who wants the change that a request asks for."""
    return Signer(caller.uid, caller.kid, origin_of(request[OBSERVED], Actor("agent", caller.kid)), caller.at)


def coming(offer: Offer, caller: Caller) -> ComingKey:
    """Make of a key that was offered, and perhaps proven, one that comes."""
    return ComingKey(offer.members, offer.key.kid, offer.validity, evidence(caller.word))


async def published(publisher: Publisher, uid: str, facts: dict[str, Any]) -> web.Response:
    """Have a change published, and answer; `"published": false` where that could not be done yet."""
    if not await publisher.publish(uid):
        facts["published"] = False
    return as_json(facts)


def as_json(facts: Mapping[str, Any]) -> web.Response:
    """Answer 200 with JSON."""
    return web.Response(body=orjson.dumps(facts), content_type="application/json")
