"""What anybody may read at the registrar: the front page, and the keys of agents."""

from typing import Final

from vestry_registrar.directory import CACHE_CONTROL, MEDIA_TYPE
from vestry_registrar.openapi.parts import agent_in_path, public_operation
from vestry_service.errors import NotFound
from vestry_service.openapi import readable
from vestry_service.openapi_parts import Json, answer, header, ref, schema_of, strict, with_headers
from vestry_signatures.agent_url import WELL_KNOWN_PATH
from vestry_signatures.errors import DatabaseUnavailable

TAG: Final = "reading"
SCHEMAS: Final[dict[str, Json]] = {
    "Service": strict(
        {"service": {"const": "vestry"}, "status": {"const": "ok"}, "version": {"type": "string"}}
    ),
    "AgentKeys": strict(
        {"uid": schema_of("AgentUid"), "keys": {"type": "array", "items": schema_of("PublicJwk")}}
    ),
    "Directory": {
        **strict({"keys": {"type": "array", "items": schema_of("PublicJwk")}}),
        "description": "A JWK Set (RFC 7517 section 5).",
    },
}
_CACHED: Final[dict[str, Json]] = {
    "Cache-Control": header("How long it may be kept.", f"^{CACHE_CONTROL}$", required=True),
    "ETag": header("Changes with the keys.", '^"[0-9a-f]{32}"$', required=True),
    "Access-Control-Allow-Origin": header("Scripts of any origin may read it.", r"^\*$", required=True),
}


def reading_paths(base_url: str) -> dict[str, Json]:
    """Describe what anybody may read. `base_url`: the registrar's, which agents' URLs are made from."""
    at_agent = [_agents_server(base_url)]
    return {
        "/": {**readable(_front()), "servers": [{"url": base_url}, *at_agent]},
        WELL_KNOWN_PATH: {**readable(_directory("readDirectory", [])), "servers": at_agent},
        f"/agents/{{uid}}{WELL_KNOWN_PATH}": readable(_directory("readDirectoryByPath", [agent_in_path()])),
    }


def _agents_server(base_url: str) -> Json:
    scheme, _, authority = base_url.partition("://")
    uid = {"default": f"agent-{'0' * 24}", "description": "The agent."}
    return {
        "url": f"{scheme}://{{uid}}.{authority}",
        "description": "The agent's URL.",
        "variables": {"uid": uid},
    }


def _front() -> Json:
    told = answer(
        "At the base URL: the service. At an agent's URL: the agent and its keys, cached like a directory.",
        {"oneOf": [schema_of("Service"), schema_of("AgentKeys")]},
    )
    optional = {name: {**each, "required": False} for name, each in _CACHED.items()}
    return public_operation(
        "readFront",
        "the service, or an agent",
        tag=TAG,
        answers={200: with_headers(told, optional), 304: _unchanged()},
        refused=[NotFound, DatabaseUnavailable],
        parameters=[ref("parameters", "IfNoneMatch")],
    )


def _directory(name: str, parameters: list[Json]) -> Json:
    told = answer("The keys, active ones first.", schema_of("Directory"), MEDIA_TYPE)
    return public_operation(
        name,
        "the keys of an agent",
        tag=TAG,
        description="Also for agents that are suspended or revoked: they have no keys to show.",
        answers={200: with_headers(told, _CACHED), 304: _unchanged()},
        refused=[NotFound, DatabaseUnavailable],
        parameters=[*parameters, ref("parameters", "IfNoneMatch")],
    )


def _unchanged() -> Json:
    return with_headers({"description": "The caller has it already."}, _CACHED)
