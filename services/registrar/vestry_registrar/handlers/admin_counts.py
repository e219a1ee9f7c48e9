"""`GET /admin/counts`: how many there are of everything, in each state, counted now."""

from aiohttp import web

from vestry_registrar.audit.event import Origin
from vestry_registrar.handlers.admin import Work
from vestry_registrar.handlers.admin_questions import render
from vestry_registrar.repository import outbox
from vestry_registrar.repository.counts import agents_by_state, keys_by_state, tools_by_state
from vestry_service.postgres import Pool


def counts(pool: Pool) -> Work:
    """Return the work that counts."""

    async def work(_request: web.Request, _origin: Origin) -> web.Response:
        return render(
            {
                "agents": await agents_by_state(pool),
                "tools": await tools_by_state(pool),
                "keys": await keys_by_state(pool),
                "outbox_pending": await outbox.count(pool),
            }
        )

    return work
