"""What the routes that proxies ask are told and answer, as OpenAPI.

Headers are what counts here: a proxy hands them on and throws the body away. In which status a refusal is told, the
routes' own rules say (`handlers.proxies`).
"""

from collections.abc import Callable
from typing import Final

from vestry_service.errors import UntrustedProxy
from vestry_service.openapi import operation, readable
from vestry_service.openapi_errors import Refusal
from vestry_service.openapi_parts import Json, header, one_of, path_parameter
from vestry_service.openapi_signatures import AGENTS_SIGNATURE
from vestry_signatures.errors import DirectoryUnreachable, InvalidUri, VestryError
from vestry_verifier.handlers.proxies import (
    METHODS,
    auth_request_status,
    ext_authz_status,
    forward_auth_status,
)
from vestry_verifier.openapi_agents import URL_OF_SIGNER
from vestry_verifier.openapi_tools import BY_THE_RULES, COUNTED, NOT_A_TOOL

TAG: Final = "proxies"
_ADDRESS: Final = """
Believed only from an address in `TRUSTED_PROXIES`; everybody else gets 403. The client's own headers come along as
they are, line by line. `X-Vestry-Tool-Token` says for which tool the proxy asks. docs/proxies.md has configurations.
"""
_AGENT: Final[dict[str, Json]] = {
    "X-Agent-Uid": header("Who signed.", "^."),
    "X-Agent-Kid": header("The thumbprint of the key.", "^[A-Za-z0-9_-]{43}$"),
    "X-Agent-Url": header("The agent's URL.", URL_OF_SIGNER),
    "X-Agent-Outcome": header("What may be concluded.", "^(verified|invalid|unverified|unsigned)$"),
    "X-Agent-Reason": header("Why nobody can be named.", "^[A-Z_]+$"),
    "X-Agent-Content-Digest": header("Whether a digest of the body is signed.", "^(none|unchecked)$"),
}
_PASSES: Final[dict[int, Json]] = {
    200: {"description": "It may pass: the agent named in the headers signed it, now, for the first time."}
}
_REFUSED: Final[tuple[Refusal, ...]] = (
    *AGENTS_SIGNATURE,
    InvalidUri,
    DirectoryUnreachable,
    UntrustedProxy,
    *BY_THE_RULES,
    *NOT_A_TOOL,
)


def proxy_paths() -> dict[str, Json]:
    """Describe the routes, by path."""
    return {
        "/verify/auth-request": readable(_auth_request()),
        "/verify/forward-auth": readable(_forward_auth()),
        "/verify/ext-authz/{scheme}/{original}": {
            **{method.lower(): _ext_authz(method) for method in METHODS},
            **readable(_ext_authz("GET")),
        },
    }


def _auth_request() -> Json:
    return operation(
        "authRequest",
        "may it pass: in nginx's words",
        tag=TAG,
        description=f"401 and 403 are all that nginx understands.\n{_ADDRESS}",
        answers=_PASSES,
        refused=_REFUSED,
        status_of=_by(auth_request_status),
        parameters=[
            _said("X-Original-Method", "As the client sent it."),
            _said("X-Original-URL", "Scheme, host, path and query, byte by byte."),
        ],
        headers=_AGENT | COUNTED,
    )


def _forward_auth() -> Json:
    return operation(
        "forwardAuth",
        "may it pass: in the words of Traefik, Caddy and HAProxy",
        tag=TAG,
        description=f"The proxy hands a refusal on as it is.\n{_ADDRESS}",
        answers=_PASSES,
        refused=_REFUSED,
        status_of=_by(forward_auth_status),
        parameters=[
            _said("X-Forwarded-Method", "As the client sent it."),
            _said("X-Forwarded-Proto", "`http` or `https`."),
            _said("X-Forwarded-Host", "The host, with its port where there is one."),
            _said("X-Forwarded-Uri", "Path and query, byte by byte."),
        ],
        headers=_AGENT | COUNTED,
    )


def _ext_authz(method: str) -> Json:
    return operation(
        f"extAuthz{method.capitalize()}",
        "may it pass: in Envoy's words",
        tag=TAG,
        description=f"Never 5xx for a refusal. Host and method are the client's.\n{_ADDRESS}",
        answers=_PASSES,
        refused=_REFUSED,
        status_of=_by(ext_authz_status),
        parameters=[
            path_parameter(
                "scheme", "By which the client came; a part of `path_prefix`.", one_of("http", "https")
            ),
            path_parameter("original", "Path and query of the client, byte by byte.", {"type": "string"}),
        ],
        headers=_AGENT | COUNTED,
    )


def _said(name: str, description: str) -> Json:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": f"{description} Exactly once.",
        "schema": {"type": "string"},
    }


def _by(status_of: Callable[[VestryError], int]) -> Callable[[Refusal], int]:
    """Have the routes' own rule tell of an error by its class alone, which is all that such a rule looks at."""
    return lambda error: status_of(error.__new__(error))
