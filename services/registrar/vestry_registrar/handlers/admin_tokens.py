"""`/admin/enrolment-tokens`: tokens that let somebody register; those that let a key be attached are listed too."""

from typing import Final

from aiohttp import web

from vestry_registrar import enrolment_tokens
from vestry_registrar.audit.event import Origin
from vestry_registrar.handlers.admin import Work
from vestry_registrar.handlers.admin_agents import LONGEST_REASON
from vestry_registrar.handlers.admin_questions import (
    below_of,
    body_of,
    number_in,
    render,
    render_page,
    text_in,
)
from vestry_registrar.repository import tokens
from vestry_registrar.repository.search import Row
from vestry_service.postgres import Pool

LONGEST_LABEL: Final = 100
MOST_USES: Final = 1_000_000
LONGEST_LIFE: Final = 366 * 86_400
"""Seconds."""
LIFE: Final = 86_400
"""Seconds that a token lives if nothing else is said."""


def create_token(pool: Pool) -> Work:
    """Return the work that makes an enrolment token."""

    async def work(request: web.Request, origin: Origin) -> web.Response:
        body = await body_of(request, "label", "uses", "expires_in")
        label = text_in(body, "label", LONGEST_LABEL)
        uses = number_in(body, "uses", MOST_USES, 1)
        seconds = number_in(body, "expires_in", LONGEST_LIFE, LIFE)
        made = await enrolment_tokens.create(pool, label, uses, seconds, origin)
        facts = {"id": made.id, "label": label, "uses": uses, "expires_at": made.expires_at}
        return render({**facts, "token": made.text})

    return work


def list_tokens(pool: Pool) -> Work:
    """Return the work that lists tokens, the newest first. No token itself is ever shown again."""

    async def work(request: web.Request, _origin: Origin) -> web.Response:
        page = below_of(request)
        found = await tokens.page(pool, page.asked.get("below"), page.limit + 1)
        return render_page("tokens", page, [Row(facts["id"], facts) for facts in found])

    return work


def revoke_token(pool: Pool) -> Work:
    """Return the work that takes a token out of use. Who registered with it stays."""

    async def work(request: web.Request, origin: Origin) -> web.Response:
        number = int(request.match_info["id"])
        reason = text_in(await body_of(request, "reason"), "reason", LONGEST_REASON)
        changed = await enrolment_tokens.revoke(pool, number, reason, origin)
        return render({"id": number, "state": "revoked", "changed": changed})

    return work
