"""`/admin/tools`: find tools, approve and revoke them."""

from aiohttp import web

from vestry_registrar.administration import Verb, change
from vestry_registrar.audit.event import Origin
from vestry_registrar.handlers.admin import Work
from vestry_registrar.handlers.admin_agents import LONGEST_REASON
from vestry_registrar.handlers.admin_questions import body_of, page_of, render, render_page, text_in
from vestry_registrar.repository import search
from vestry_registrar.repository.administration import TOOLS
from vestry_service.metrics import Metrics
from vestry_service.observed import OBSERVED
from vestry_service.postgres import Pool


def list_tools(pool: Pool) -> Work:
    """Return the work that finds tools, the newest first."""

    async def work(request: web.Request, _origin: Origin) -> web.Response:
        page = page_of(request, TOOLS)
        return render_page("tools", page, await search.page(pool, TOOLS, page.asked, page.limit + 1))

    return work


def change_tool(pool: Pool, metrics: Metrics, verb: Verb) -> Work:
    """Return the work that approves or revokes a tool. Nobody verifies tools, so nothing is published."""

    async def work(request: web.Request, origin: Origin) -> web.Response:
        uid = request.match_info["uid"]
        reason = text_in(await body_of(request, "reason"), "reason", LONGEST_REASON)
        done = await change(pool, TOOLS, uid, verb, reason, origin)
        if done.changed and done.state == "revoked":
            metrics.revocations.labels("operator").inc()
        request[OBSERVED].uid = uid
        return render({"uid": uid, "state": done.state, "changed": done.changed})

    return work
