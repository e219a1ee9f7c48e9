"""What every OpenAPI document of ours is made of (OpenAPI 3.1; https://spec.openapis.org/oas/v3.1.1).

Each port serves the document of what it serves, at `/openapi.json`. A document is plain Python data that stands
beside the handlers it describes; here are the parts that are the same everywhere.

1. A schema of an answer names every member there can be, and nothing else is allowed: a member that appears in an
   answer and not in the document fails the tests. What callers send may carry more than we read, unless it is
   refused.
2. An operation names the refusals it may end with as classes of errors; their status, reason and outcome are read
   from these (`openapi_errors.py`), so they are never written down twice.
3. Every answer carries `X-Request-Id`, every request may.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from aiohttp import web

from vestry_service.openapi_errors import Refusal, anywhere, error_schemas, refusals
from vestry_service.openapi_parts import Json, answer, header, ref, with_headers
from vestry_service.start import VERSION
from vestry_signatures.errors import MalformedRequest

PATH: Final = "/openapi.json"
OPERATION: Final = "operation"
"""The tag of what machines ask: health, metrics, the document itself."""
Handler = Callable[[web.Request], Awaitable[web.Response]]

PARAMETERS: Final[Json] = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "Names the request in our log. One that we would not repeat is replaced by one of ours.",
        "schema": {"type": "string"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of what the caller has already.",
        "schema": {"type": "string"},
    },
}
HEADERS: Final[Json] = {
    "RequestId": header("Names the request in our log.", "^[A-Za-z0-9._-]{1,128}$", required=True),
}


def operation(
    name: str,
    summary: str,
    *,
    tag: str,
    answers: Mapping[int, Json],
    refused: Collection[Refusal] = (),
    description: str = "",
    parameters: Sequence[Json] = (),
    body: Json | None = None,
    security: Sequence[Collection[str]] = (),
    headers: Mapping[str, Json] | None = None,
    status_of: Callable[[Refusal], int] | None = None,
) -> Json:
    """Describe one method of one path.

    Args:
        name: a name in a program; unique in a document.
        summary: half a sentence.
        tag: the group it belongs to.
        answers: by status, where nothing is refused (`openapi_parts.answer`).
        refused: the errors it may end with, besides those that every operation may end with.
        description: what else must be known; Markdown.
        parameters: of path, query and header.
        body: the schema of the JSON that it reads.
        security: schemes by name, all of one group being needed; any of the groups will do.
        headers: of every answer, by name.
        status_of: in which status a refusal is told, where that is not always the error's own.
    """
    told = {str(status): each for status, each in answers.items()}
    told |= refusals([MalformedRequest])  # which stands before every handler
    told |= refusals([*refused, MalformedRequest], *filter(None, [status_of]))
    facts: Json = {"operationId": name, "summary": summary, "tags": [tag]}
    if description:
        facts["description"] = description
    facts["parameters"] = [*parameters, ref("parameters", "RequestId")]
    if body is not None:
        facts["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    common = {"X-Request-Id": ref("headers", "RequestId"), **(headers or {})}
    facts["responses"] = {status: with_headers(each, common) for status, each in sorted(told.items())}
    if security:
        facts["security"] = [{scheme: [] for scheme in group} for group in security]
    return facts


def readable(get: Json) -> Json:
    """Describe a path that answers GET and HEAD, which is GET without a body (RFC 9110 section 9.3.2)."""
    bare = {
        status: {name: each for name, each in answer.items() if name != "content"}
        for status, answer in get["responses"].items()
    }
    head = {**get, "operationId": f"{get['operationId']}Head", "responses": bare}
    return {"get": get, "head": head}


def document(
    title: str,
    description: str,
    paths: Mapping[str, Json],
    *,
    tags: Mapping[str, str],
    schemas: Mapping[str, Json] | None = None,
    security_schemes: Mapping[str, Json] | None = None,
    refused: Collection[Refusal] = (),
) -> Json:
    """Put a document together.

    Args:
        title: of the interface.
        description: what must be known before everything else; Markdown.
        paths: path items by path template.
        tags: what each group of operations is, by its name.
        schemas: those that operations may refer to; the others are left out.
        security_schemes: the same.
        refused: the errors that reading the document itself may end with.
    """
    told = {PATH: readable(_this_document(refused)), **paths}
    responses = anywhere()
    components = {
        "schemas": _reached([told, responses], {**(schemas or {}), **error_schemas()}),
        "responses": responses,
        "parameters": PARAMETERS,
        "headers": HEADERS,
        "securitySchemes": dict(security_schemes or {}),
    }
    return {
        "openapi": "3.1.1",
        "info": {
            "title": title,
            "version": VERSION,
            "description": description,
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "tags": [{"name": name, "description": told_of} for name, told_of in tags.items()],
        "paths": told,
        "components": components,
    }


def document_handler(document: Json) -> Handler:
    """Return the handler that serves a document."""
    body = orjson.dumps(document)

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return handle


def _this_document(refused: Collection[Refusal]) -> Json:
    schema = {"type": "object", "required": ["openapi", "info", "paths"]}
    return operation(
        "readDescription",
        "this document",
        tag=OPERATION,
        answers={200: answer("OpenAPI 3.1.", schema)},
        refused=refused,
    )


def _reached(told: Any, schemas: Mapping[str, Json]) -> dict[str, Json]:
    """Return the schemas that a part of a document refers to, and those that these refer to in turn."""
    found: dict[str, Json] = {}
    waiting = [told]
    while waiting:
        named = {each.rpartition("/")[2] for each in _refs(waiting.pop())}
        new = {name: schemas[name] for name in named if name in schemas and name not in found}
        found |= new
        waiting += new.values()
    return {name: found[name] for name in sorted(found)}


def _refs(told: Any) -> Iterator[str]:
    """Find every reference in a part of a document."""
    if isinstance(told, Mapping):
        if isinstance(told.get("$ref"), str):
            yield told["$ref"]
        told = list(told.values())
    if isinstance(told, list):
        for each in told:
            yield from _refs(each)
