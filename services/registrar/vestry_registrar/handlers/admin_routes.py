"""Every route of the admin API in one place. Each stands behind the desk."""

from aiohttp import web

from vestry_registrar.administration import Verb
from vestry_registrar.handlers import admin_agents, admin_counts, admin_tokens, admin_tools
from vestry_registrar.handlers.admin import Desk
from vestry_registrar.publisher import Publisher
from vestry_service.logging import Logger
from vestry_service.metrics import Metrics
from vestry_service.postgres import Pool

AGENT = "/admin/agents/{uid:agent-[0-9a-f]{24}}"
TOOL = "/admin/tools/{uid:tool-[0-9a-f]{24}}"
KEY = "{kid:[A-Za-z0-9_-]{43}}"
TOKENS = "/admin/enrolment-tokens"


def admin_routes(pool: Pool, publisher: Publisher, logger: Logger, metrics: Metrics) -> list[web.RouteDef]:
    """Return the routes, for the internal port."""
    desk = Desk(pool, logger).open

    def agent(verb: Verb) -> web.RouteDef:
        return web.post(f"{AGENT}/{verb}", desk(admin_agents.change_agent(pool, publisher, metrics, verb)))

    def tool(verb: Verb) -> web.RouteDef:
        return web.post(f"{TOOL}/{verb}", desk(admin_tools.change_tool(pool, metrics, verb)))

    revoke_key = admin_agents.revoke_agents_key(pool, publisher, metrics)
    return [
        web.get("/admin/agents", desk(admin_agents.list_agents(pool)), allow_head=False),
        web.get(AGENT, desk(admin_agents.show_agent(pool)), allow_head=False),
        agent("suspend"),
        agent("resume"),
        agent("approve"),
        agent("revoke"),
        web.post(f"{AGENT}/keys", desk(admin_agents.allow_key(pool))),
        web.post(f"{AGENT}/keys/{KEY}/revoke", desk(revoke_key)),
        web.get("/admin/tools", desk(admin_tools.list_tools(pool)), allow_head=False),
        tool("approve"),
        tool("revoke"),
        web.get(TOKENS, desk(admin_tokens.list_tokens(pool)), allow_head=False),
        web.post(TOKENS, desk(admin_tokens.create_token(pool))),
        web.post(TOKENS + "/{id:[0-9]{1,15}}/revoke", desk(admin_tokens.revoke_token(pool))),
        web.get("/admin/counts", desk(admin_counts.counts(pool)), allow_head=False),
    ]
