"""The key directory of an agent: a JWK Set under its own host name.

Source: draft-meunier-http-message-signatures-directory. Anybody may read it, from any origin; caches may keep it
for a minute and then ask whether it is still the same (strong `ETag`, RFC 9110 section 13).
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import hdrs, web

MEDIA_TYPE: Final = "application/http-message-signatures-directory+json"
CACHE_CONTROL: Final = "public, max-age=60"


class Page(NamedTuple):
    """Public facts as they are sent: a JSON body and its entity tag, without quotes."""

    body: bytes
    tag: str

    @property
    def headers(self) -> dict[str, str]:
        """What goes with it, as 200 and as 304."""
        return {
            hdrs.CACHE_CONTROL: CACHE_CONTROL,
            hdrs.ETAG: f'"{self.tag}"',
            hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*",
        }


def page(facts: dict[str, Any]) -> Page:
    """Make a page of facts."""
    body = orjson.dumps(facts)
    return Page(body, hashlib.sha256(body).hexdigest()[:32])


def render(request: web.Request, shown: Page, media_type: str) -> web.Response:
    """Answer with public facts that are cached and compared: 200, or 304 where the caller has them already.

    Args:
        request: may carry `If-None-Match`.
        shown: the page.
        media_type: its media type.
    """
    if _matches(request, shown.tag):
        return web.Response(status=304, headers=shown.headers)
    return web.Response(body=shown.body, content_type=media_type, headers=shown.headers)


def _matches(request: web.Request, tag: str) -> bool:
    """Compare weakly, as If-None-Match asks (RFC 9110 section 13.1.2)."""
    given = request.if_none_match
    return given is not None and any(each.value in (tag, "*") for each in given)


def jwk_set(keys: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make a JWK Set (RFC 7517 section 5)."""
    return {"keys": list(keys)}
