"""From a request to who did it, and from where."""

from aiohttp import web

from vestry_registrar.audit.event import Actor, Origin
from vestry_service.observed import OBSERVED


def origin_of(request: web.Request, actor: Actor) -> Origin:
    """Say that an actor did what a request asks for."""
    seen = request[OBSERVED]
    return Origin(actor, seen.client_ip, seen.request_id)
