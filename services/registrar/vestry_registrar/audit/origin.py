"""From a request to who did it, and from where."""

from vestry_registrar.audit.event import Actor, Origin
from vestry_service.observed import Observed


def origin_of(seen: Observed, actor: Actor) -> Origin:
    """Say that an actor did what a request asks for."""
    return Origin(actor, seen.client_ip, seen.request_id)
