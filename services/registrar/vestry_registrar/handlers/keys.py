"""`/keys` and `POST /revoke`: an agent sees to its keys (wire contract, section 4).

Whoever signs must hold a key that is usable: one that is retiring only says who the agent is, elsewhere.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from vestry_registrar.handlers.act import Handler, as_json, coming, published, signer_of
from vestry_registrar.key_proof import Change
from vestry_registrar.lifecycle import add, retire, revoke_agent, revoke_key
from vestry_registrar.limits import Limits
from vestry_registrar.offers import facts_in, jwk_in, read_offer
from vestry_registrar.proof import Proofs, body_of
from vestry_registrar.publisher import Publisher
from vestry_registrar.repository.keys import ListedKey, all_keys
from vestry_registrar.transitions import RETIRING
from vestry_service.errors import NotFound
from vestry_service.metrics import Metrics
from vestry_service.observed import OBSERVED
from vestry_service.postgres import Pool
from vestry_service.verification import THUMBPRINT
from vestry_signatures.errors import MalformedRequest, RevokedKey


def list_handler(pool: Pool, proofs: Proofs) -> Handler:
    """Return the handler that tells an agent which keys it has and had."""

    async def list_keys(request: web.Request) -> web.Response:
        caller = await proofs.agent(request, await body_of(request), Change())
        keys = await all_keys(pool, caller.uid, caller.at)
        if not any(key.kid == caller.kid and key.state == "active" for key in keys):
            raise RevokedKey(RETIRING)
        return as_json({"uid": caller.uid, "keys": [_listed(key, caller.at) for key in keys]})

    return list_keys


def _listed(key: ListedKey, now: int) -> dict[str, Any]:
    is_expired = key.state != "revoked" and key.validity.is_over(now)
    return {
        "kid": key.kid,
        "state": "expired" if is_expired else key.state,
        "public_jwk": key.jwk,
        "nbf": key.validity.not_before,
        "exp": key.validity.not_after,
        "added": key.added,
        "changed": key.changed,
        "proof": key.proof,
    }


def add_handler(pool: Pool, proofs: Proofs, limits: Limits, publisher: Publisher, most: int) -> Handler:
    """Return the handler that gives an agent one key more, up to `most`."""

    async def add_key(request: web.Request) -> web.Response:
        body = await body_of(request)
        offer = read_offer(jwk_in(facts_in(body)), proofs.now)
        caller = await proofs.agent(request, body, Change(offer.key, needs_proof=True))
        await limits.change(request[OBSERVED], caller.uid)
        new = coming(offer, caller)
        await add(pool, signer_of(request, caller), new, most)
        facts = {"uid": caller.uid, "kid": new.kid, "public_jwk": new.published}
        return await published(publisher, caller.uid, facts)

    return add_key


def retire_handler(pool: Pool, proofs: Proofs, limits: Limits, publisher: Publisher) -> Handler:
    """Return the handler that takes a key of an agent out of use, but never its last usable one."""

    async def retire_key(request: web.Request) -> web.Response:
        caller = await proofs.agent(request, await body_of(request), Change())
        await limits.change(request[OBSERVED], caller.uid)
        kid = require_thumbprint(request.match_info["kid"])
        await retire(pool, signer_of(request, caller), kid)
        return await published(publisher, caller.uid, {"uid": caller.uid, "kid": kid, "state": "revoked"})

    return retire_key


def revoke_handler(
    pool: Pool, proofs: Proofs, limits: Limits, publisher: Publisher, metrics: Metrics
) -> Handler:
    """Return the handler by which an agent revokes any of its keys, the last one too, or itself, for ever."""

    async def revoke(request: web.Request) -> web.Response:
        body = await body_of(request)
        kid = key_to_revoke(facts_in(body))
        caller = await proofs.agent(request, body, Change())
        await limits.revocation(request[OBSERVED], caller.kid)
        signer = signer_of(request, caller)
        facts: dict[str, Any] = {"uid": caller.uid, "state": "revoked"}
        if kid is None:
            await revoke_agent(pool, signer)
            metrics.revocations.labels("agent").inc()
        else:
            facts["kid"] = require_thumbprint(kid)
            if await revoke_key(pool, signer, kid):
                metrics.revocations.labels("agent").inc()
        return await published(publisher, caller.uid, facts)

    return revoke


def require_thumbprint(kid: str) -> str:
    """Return a kid that may be somebody's. Raises NotFound: a text of another form, which Postgres might refuse."""
    if not THUMBPRINT.fullmatch(kid):
        raise NotFound("the agent has no such key")
    return kid


def key_to_revoke(facts: Mapping[str, Any]) -> str | None:
    """Read which key is to be revoked; None: the agent itself. Raises MalformedRequest unless just one is said."""
    kid = facts.get("kid")
    if isinstance(kid, str) and "agent" not in facts:
        return kid
    if "kid" not in facts and facts.get("agent") is True:
        return None
    raise MalformedRequest('say what to revoke: {"kid": "…"} or {"agent": true}')
