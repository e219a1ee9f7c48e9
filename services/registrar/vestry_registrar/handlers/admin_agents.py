"""`/admin/agents`: find agents, look at one, and change its state and keys."""

from typing import Any, Final

from aiohttp import web

from vestry_registrar import bearer
from vestry_registrar.administration import Changed, Verb, change, revoke_key
from vestry_registrar.attachment import LONGEST, allow
from vestry_registrar.audit.event import Origin
from vestry_registrar.handlers.admin import Work
from vestry_registrar.handlers.admin_questions import (
    body_of,
    number_in,
    page_of,
    render,
    render_page,
    text_in,
)
from vestry_registrar.publisher import Publisher
from vestry_registrar.repository import search
from vestry_registrar.repository.administration import AGENTS
from vestry_registrar.repository.uids import bare
from vestry_service.errors import NotFound
from vestry_service.metrics import Metrics
from vestry_service.observed import OBSERVED
from vestry_service.postgres import Pool

RECENT: Final = 20
"""Events that are shown with an agent."""
LONGEST_REASON: Final = 500
ATTACH_LIFE: Final = 3600
"""Seconds that an attach token lives if nothing else is said."""


def list_agents(pool: Pool) -> Work:
    """Return the work that finds agents, the newest first."""

    async def work(request: web.Request, _origin: Origin) -> web.Response:
        page = page_of(request, AGENTS)
        return render_page("agents", page, await search.page(pool, AGENTS, page.asked, page.limit + 1))

    return work


def show_agent(pool: Pool) -> Work:
    """Return the work that tells everything of one agent."""

    async def work(request: web.Request, _origin: Origin) -> web.Response:
        found = await search.agent(pool, bare(request.match_info["uid"]), RECENT)
        if found is None:
            raise NotFound("there is no such agent")
        return render(found)

    return work


def change_agent(pool: Pool, publisher: Publisher, metrics: Metrics, verb: Verb) -> Work:
    """Return the work that suspends, resumes, approves or revokes an agent."""

    async def work(request: web.Request, origin: Origin) -> web.Response:
        uid = request.match_info["uid"]
        reason = text_in(await body_of(request, "reason"), "reason", LONGEST_REASON)
        done = await change(pool, AGENTS, uid, verb, reason, origin)
        _count(metrics, done)
        request[OBSERVED].uid = uid
        return render(await _published(publisher, uid, {"uid": uid}, done))

    return work


def revoke_agents_key(pool: Pool, publisher: Publisher, metrics: Metrics) -> Work:
    """Return the work that takes one key out of use, also the last."""

    async def work(request: web.Request, origin: Origin) -> web.Response:
        uid, kid = request.match_info["uid"], request.match_info["kid"]
        reason = text_in(await body_of(request, "reason"), "reason", LONGEST_REASON)
        done = await revoke_key(pool, uid, kid, reason, origin)
        _count(metrics, done)
        seen = request[OBSERVED]
        seen.uid, seen.kid = uid, kid
        return render(await _published(publisher, uid, {"uid": uid, "kid": kid}, done))

    return work


def allow_key(pool: Pool) -> Work:
    """Return the work that makes an attach token for an agent (`attachment.py`)."""

    async def work(request: web.Request, origin: Origin) -> web.Response:
        uid = request.match_info["uid"]
        body = await body_of(request, "reason", "expires_in")
        reason = text_in(body, "reason", LONGEST_REASON)
        token = bearer.make(bearer.ATTACH)
        seconds = number_in(body, "expires_in", LONGEST, ATTACH_LIFE)
        number, expires_at = await allow(pool, uid, token.hash, seconds, reason, origin)
        request[OBSERVED].uid = uid
        return render({"id": number, "uid": uid, "expires_at": expires_at, "token": token.text})

    return work


def _count(metrics: Metrics, done: Changed) -> None:
    if done.changed and done.state == "revoked":
        metrics.revocations.labels("operator").inc()


async def _published(publisher: Publisher, uid: str, facts: dict[str, Any], done: Changed) -> dict[str, Any]:
    """Have every verifier learn of it before the answer; also of what was so before, if that answer was lost."""
    facts |= {"state": done.state, "changed": done.changed}
    return facts if await publisher.publish(uid) else facts | {"published": False}
