"""What a 401 of the registrar asks for (`Accept-Signature`, RFC 9421 section 5.1): what that very request would need.

1. Who registers has no name yet, so it is asked for no Signature-Agent: `registration` is a profile of its own.
2. An agent that calls is asked for what every agent can sign, where that is accepted: the profile `vestauth`. Where
   `PROFILES` leaves it out, for the stricter one.
3. With `BODY_BINDING=required` whatever is about keys must cover more (`key_proof`).
"""

from collections.abc import Iterator
from secrets import token_urlsafe
from typing import Final

from aiohttp import web

from vestry_registrar.key_proof import BOUND
from vestry_service.problems import Accepted
from vestry_signatures import Policy
from vestry_signatures.accept import accept_signature
from vestry_signatures.components import Component
from vestry_signatures.coverage import read_required

ENROLS: Final = frozenset({"/register", "/tool/register"})
BOUND_PATHS: Final = ("/rotate", "/keys", "/revoke")
_LOOSE: Final = Policy(profiles=frozenset({"vestauth"}))


def accepted(policy: Policy, *, binding_required: bool) -> Accepted:
    """Return what makes the field's value for a request; each proposes a nonce of its own where one is needed."""
    strict = Policy(profiles=frozenset({"web-bot-auth"}), nonce_required=policy.nonce_required)
    of_agents = _LOOSE if "vestauth" in policy.profiles else strict

    def tell(request: web.Request) -> str:
        asked = _LOOSE if request.path in ENROLS else of_agents  # (1), (2)
        required = (
            _binding(request) if binding_required and request.path.startswith(BOUND_PATHS) else ()
        )  # (3)
        return accept_signature(asked, required, token_urlsafe)

    return tell


def _binding(request: web.Request) -> Iterator[Component]:
    names = [*sorted(BOUND), *(["content-digest"] if request.body_exists else [])]
    yield from map(read_required, names)
