"""What the routes that proxies ask are told and answer, as OpenAPI.

Headers are what counts here: a proxy hands them on and throws the body away. Where a status is not the error's own,
the body is described without tying each reason to one.
"""

from typing import Final

from vestry_service.errors import UntrustedProxy
from vestry_service.openapi import operation, readable
from vestry_service.openapi_errors import Refusal
from vestry_service.openapi_parts import Json, header, one_of, path_parameter, strict, text
from vestry_service.openapi_signatures import AGENTS_SIGNATURE
from vestry_service.problems import PROBLEM_JSON
from vestry_signatures.errors import DirectoryUnreachable, InvalidUri
from vestry_verifier.handlers.proxies import METHODS
from vestry_verifier.openapi_agents import URL_OF_SIGNER
from vestry_verifier.openapi_tools import BY_THE_RULES, COUNTED

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
_SIGN_ANEW: Final = {
    "WWW-Authenticate": header("How to sign.", "^Signature$", required=True),
    "Accept-Signature": header("What a signature must cover and state.", "^sig1=", required=True),
    "Retry-After": header("Seconds to wait, where nothing could be decided.", "^[1-9][0-9]*$"),
}


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
        answers=_PASSES | _told_in_few_statuses(),
        parameters=[
            _said("X-Original-Method", "As the client sent it."),
            _said("X-Original-URL", "Scheme, host, path and query, byte by byte."),
        ],
        headers=_AGENT | COUNTED,
    )


def _forward_auth() -> Json:
    refused: list[Refusal] = [
        *AGENTS_SIGNATURE,
        InvalidUri,
        DirectoryUnreachable,
        UntrustedProxy,
        *BY_THE_RULES,
    ]
    return operation(
        "forwardAuth",
        "may it pass: in the words of Traefik, Caddy and HAProxy",
        tag=TAG,
        description=f"The proxy hands a refusal on as it is.\n{_ADDRESS}",
        answers=_PASSES,
        refused=refused,
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
        answers=_PASSES | _told_in_few_statuses(),
        refused=[InvalidUri],
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


def _told_in_few_statuses() -> dict[int, Json]:
    return {
        401: {
            "description": "Unauthorized: another signature may be accepted",
            "headers": _SIGN_ANEW,
            "content": _content(),
        },
        403: {"description": "Forbidden: no signature would help", "content": _content()},
    }


def _content() -> Json:
    status = {"type": "integer"}
    reason, outcome = text("^[A-Z_]+$"), one_of("invalid", "unverified", "unsigned")
    ours = {"status": status, "code": status, "message": {"type": "string"}, "reason": reason}
    standard = {
        "type": {"const": "about:blank"},
        "title": {"type": "string"},
        "status": status,
        "detail": {"type": "string"},
        "reason": reason,
    }
    left_out = ["outcome"]
    return {
        "application/json": {
            "schema": strict({"error": strict({**ours, "outcome": outcome}, left_out)}),
        },
        PROBLEM_JSON: {"schema": strict({**standard, "outcome": outcome}, left_out)},
    }
