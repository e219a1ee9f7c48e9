"""What an OpenAPI document says and what an application routes, in one form, so that they can be compared."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from vestry_service.openapi_parts import Json


def documented(document: Json) -> set[tuple[str, str]]:
    """The methods and paths of a document."""
    methods = {"get", "head", "post", "put", "patch", "delete", "options", "trace"}
    return {
        (name.upper(), path) for path, item in document["paths"].items() for name in item if name in methods
    }


def routed(app: web.Application) -> set[tuple[str, str]]:
    """The methods and path templates of an application."""
    found = ((route.method, route.resource) for route in app.router.routes())
    return {(method, resource.canonical) for method, resource in found if resource is not None}


def operations(document: Json) -> Iterator[Json]:
    """Every operation of a document."""
    for method, path in documented(document):
        yield document["paths"][path][method.lower()]


def reasons(told: Any) -> set[str]:
    """The reasons of all refusals that a document tells of."""
    return {
        found["$ref"].rpartition("Error.")[2]
        for _, found in _objects(told)
        if "/Error." in found.get("$ref", "")
    }


def dangling(document: Json) -> set[str]:
    """References of a document that lead nowhere."""
    kinds = document["components"]
    known = {f"#/components/{kind}/{name}" for kind, named in kinds.items() for name in named}
    return {found["$ref"] for _, found in _objects(document) if "$ref" in found} - known


def loose(document: Json) -> set[str]:
    """The places in what is answered where an object may have members that are not named."""
    asked = _asked(document)
    schemas = {name: told for name, told in document["components"]["schemas"].items() if name not in asked}
    answered = {each["operationId"]: each["responses"] for each in operations(document)}
    return {
        place
        for place, found in _objects({"schemas": schemas, "answered": answered})
        if found.get("type") == "object" and found.get("additionalProperties") is not False
    }


def _asked(document: Json) -> set[str]:
    """Names of schemas that bodies of requests refer to."""
    bodies = [each.get("requestBody") for each in operations(document)]
    return {found["$ref"].rpartition("/")[2] for _, found in _objects(bodies) if "$ref" in found}


def _objects(told: Any, place: str = "") -> Iterator[tuple[str, Json]]:
    """Every object in a document, with its place."""
    if isinstance(told, dict):
        yield place, told
        told = list(told.items())
    elif isinstance(told, list):
        told = list(enumerate(told))
    else:
        told = []
    for name, each in told:
        yield from _objects(each, f"{place}/{name}")
