"""The admin API, on the internal port alone: who may call it, and every route of it.

1. Every handler stands behind `Desk.open`: no operator's token, no work, and nothing said of what exists.
2. Every call is told to the audit trail and to the log before it is done, a look at something too. A change is told
   once more, by an event of its own in its own transaction.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from vestry_registrar import bearer, operators
from vestry_registrar.audit.event import Actor, Event, Origin
from vestry_registrar.audit.origin import origin_of
from vestry_registrar.repository import audit
from vestry_service.errors import TokenRequired
from vestry_service.logging import Logger
from vestry_service.observed import OBSERVED
from vestry_service.postgres import Pool

Handler = Callable[[web.Request], Awaitable[web.Response]]
Work = Callable[[web.Request, Origin], Awaitable[web.Response]]


class Desk:
    """Where operators are served."""

    def __init__(self, pool: Pool, logger: Logger) -> None:
        self._pool = pool
        self._logger = logger

    def open(self, work: Work) -> Handler:
        """Return the handler that does the work for operators only."""

        async def handle(request: web.Request) -> web.Response:
            origin = origin_of(request[OBSERVED], Actor("operator", await self._operator(request)))
            await self._tell(request, origin)
            return await work(request, origin)

        return handle

    async def _operator(self, request: web.Request) -> str:
        """Return the operator's name. Raises TokenRequired, DatabaseUnavailable. See (1)."""
        token = bearer.given(request.headers, bearer.OPERATOR)
        name = await operators.authenticate(self._pool, token) if token else None
        if name is None:
            raise TokenRequired("this needs an operator's token: Authorization: Bearer vestry_op_…")
        return name

    async def _tell(self, request: web.Request, origin: Origin) -> None:
        """See (2). The event is about nobody: an agent's own events are those that change it."""
        resource = request.match_info.route.resource
        route = resource.canonical if resource else ""
        details = {"method": request.method, "route": route, **request.match_info}
        await audit.add(self._pool, Event("admin.called", origin, details=details))
        self._logger.info(
            "admin",
            request_id=request[OBSERVED].request_id,
            method=request.method,
            route=route,
            client_ip=origin.client_ip,
            operator=origin.actor.name,
        )
