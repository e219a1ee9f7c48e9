"""The admin API, on the internal port alone: who may call it, and every route of it.

1. Every handler stands behind `Desk.open`: no operator's token, no work, and nothing said of what exists.
2. A change names the operator in its audit event, in its own transaction; every call does so in the log.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from vestry_registrar import bearer, operators
from vestry_registrar.audit.event import Actor, Origin
from vestry_registrar.audit.origin import origin_of
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
            origin = origin_of(request, Actor("operator", await self._operator(request)))
            self._log(request, origin)
            return await work(request, origin)

        return handle

    async def _operator(self, request: web.Request) -> str:
        """Return the operator's name. Raises TokenRequired, DatabaseUnavailable. See (1)."""
        token = bearer.given(request, bearer.OPERATOR)
        name = await operators.authenticate(self._pool, token) if token else None
        if name is None:
            raise TokenRequired("this needs an operator's token: Authorization: Bearer vestry_op_…")
        return name

    def _log(self, request: web.Request, origin: Origin) -> None:
        """See (2)."""
        resource = request.match_info.route.resource
        self._logger.info(
            "admin",
            request_id=request[OBSERVED].request_id,
            method=request.method,
            route=resource.canonical if resource else None,
            client_ip=origin.client_ip,
            operator=origin.actor.name,
        )
