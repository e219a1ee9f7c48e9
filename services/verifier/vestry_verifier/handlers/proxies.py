"""The routes that proxies ask: may this request pass, and which agent signed it?

    GET  /verify/auth-request                   nginx
    GET  /verify/forward-auth                   Traefik, Caddy, HAProxy
    any  /verify/ext-authz/{scheme}/{original}  Envoy

1. Only an address in `TRUSTED_PROXIES` is asked whom it holds: anybody else could have written the headers himself.
   Loopback is no exception, for everybody with an account on the machine can call from there.
2. The tool is the one whose token the proxy shows in a header of its own.
3. The request that is held back is rebuilt (`forwarded`), and judged like any other.

200 lets it pass. The facts are in headers, since that is what proxies can hand on to a tool: `X-Agent-Uid`, `-Kid`,
`-Url`, `-Outcome`, `-Reason` and `-Content-Digest`. Everything else refuses, in a status that the kind of proxy
understands: nginx knows 401 and 403 alone and makes 500 of the rest; Envoy takes any 5xx for a fault, which it may be
set up to let pass. So where nothing can be decided now both are told 401, for the caller may sign anew, and
`Retry-After` tells it from the other 401s. Where the tool observes, everything passes, and the headers of what would
have been refused name no agent.
"""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

from vestry_service import problems
from vestry_service.errors import RateLimited, ServiceError, UntrustedProxy
from vestry_service.exchange import Handler
from vestry_service.observed import OBSERVED
from vestry_service.requests import Network, is_trusted
from vestry_service.verification import Verified
from vestry_signatures.errors import SignatureError, Undecided, VestryError
from vestry_verifier.forwarded import EXT_AUTHZ, KINDS, TOKEN, Call, tool_token
from vestry_verifier.judge import Asked, Judge
from vestry_verifier.tools import Tools

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
METHODS: Final = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")  # and HEAD, which comes with GET


def proxy_routes(judge: Judge, tools: Tools, trusted: Collection[Network]) -> list[web.RouteDef]:
    """Return the routes. `trusted`: where proxies ask from."""

    def handler(kind: str, status_of: Callable[[VestryError], int]) -> Handler:
        read = KINDS[kind]

        async def may_it_pass(request: web.Request) -> web.Response:
            call = Call(request.method, request.raw_path, list(request.headers.items()))
            try:
                _require_proxy(request, trusted)  # (1)
                tool = tools.of(_authorization(call), TOKEN.title())  # (2)
                verdict = await judge.judge(_asked(read, call), tool)  # (3)
            except VestryError as error:
                return _refusal(error, request, status_of(error))
            verdict.note(request[OBSERVED])
            if not isinstance(verdict.answer, VestryError):
                return web.Response(headers={**_facts(verdict.answer), **verdict.headers})
            if tool.observes:
                return web.Response(headers=_said_of(verdict.answer))
            return _refusal(verdict.answer, request, status_of(verdict.answer), verdict.headers)

        return may_it_pass

    envoy = handler("ext-authz", ext_authz_status)
    return [
        web.get("/verify/auth-request", handler("auth-request", auth_request_status)),
        web.get("/verify/forward-auth", handler("forward-auth", forward_auth_status)),
        *(web.route(method, EXT_AUTHZ + r"{scheme}/{original:[\s\S]*}", envoy) for method in METHODS),
    ]


def auth_request_status(error: VestryError) -> int:
    """Tell nginx: 401 where another signature may be accepted, else 403."""
    return 401 if isinstance(error, SignatureError | Undecided | RateLimited) else 403


def forward_auth_status(error: VestryError) -> int:
    """Tell who hands the answer on as it is. The caller cannot help it if the proxy's token is wrong."""
    return 403 if isinstance(error, ServiceError) and error.status == 401 else error.status


def ext_authz_status(error: VestryError) -> int:
    """Tell Envoy: never 5xx, which is a fault and no refusal there."""
    if isinstance(error, Undecided):
        return 401
    status = forward_auth_status(error)
    return status if status < 500 else 403


def _require_proxy(request: web.Request, trusted: Collection[Network]) -> None:
    if not is_trusted(request.remote or "", trusted):
        raise UntrustedProxy


def _authorization(call: Call) -> str | None:
    token = tool_token(call)
    return None if token is None else f"Bearer {token}"


def _asked(read: Callable[[Call], Asked], call: Call) -> Asked:
    try:
        return read(call)
    except VestryError as error:
        return error


def _facts(verified: Verified) -> dict[str, str]:
    signer, proof = verified
    return {
        "X-Agent-Uid": signer.uid,
        "X-Agent-Kid": proof.key.kid,
        "X-Agent-Url": signer.url,
        "X-Agent-Outcome": "verified",
        "X-Agent-Content-Digest": proof.content_digest,
    }


def _refusal(
    error: VestryError, request: web.Request, status: int, headers: Mapping[str, str] = _NONE
) -> web.Response:
    request[OBSERVED].refused(error)
    return problems.render(error, request, status, {**headers, **_said_of(error)})


def _said_of(error: VestryError) -> dict[str, str]:
    return {"X-Agent-Outcome": error.outcome or "unverified", "X-Agent-Reason": error.reason}
