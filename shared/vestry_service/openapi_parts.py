"""The smallest parts of an OpenAPI document: schemas, answers, headers and parameters."""

from collections.abc import Collection, Mapping
from typing import Any

Json = dict[str, Any]


def ref(kind: str, name: str) -> Json:
    """Refer to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def schema_of(name: str) -> Json:
    """Refer to a schema."""
    return ref("schemas", name)


def strict(members: Mapping[str, Json], optional: Collection[str] = ()) -> Json:
    """Describe an object with these members and no others; those in `optional` may be left out."""
    return {
        "type": "object",
        "properties": dict(members),
        "required": [name for name in members if name not in optional],
        "additionalProperties": False,
    }


def answer(description: str, schema: Json, media_type: str = "application/json", **headers: Json) -> Json:
    """Describe an answer with a body. A header is named as in Python: `Cache_Control`."""
    told: Json = {"description": description, "content": {media_type: {"schema": schema}}}
    return with_headers(told, {name.replace("_", "-"): each for name, each in headers.items()})


def with_headers(told: Json, headers: Mapping[str, Json]) -> Json:
    """Add headers to an answer, beside those it has."""
    return {**told, "headers": {**headers, **told.get("headers", {})}}


def header(description: str, pattern: str, *, required: bool = False) -> Json:
    """Describe a header of an answer."""
    return {"description": description, "required": required, "schema": text(pattern)}


def text(pattern: str, **facts: Any) -> Json:
    """Describe a string of a form."""
    return {"type": "string", "pattern": pattern, **facts}


def one_of(*values: str) -> Json:
    """Describe a string that is one of some words."""
    return {"type": "string", "enum": list(values)}


def path_parameter(name: str, description: str, schema: Json) -> Json:
    """Describe a part of the path."""
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def query_parameter(name: str, description: str, schema: Json) -> Json:
    """Describe a part of the query, which may be left out."""
    return {"name": name, "in": "query", "description": description, "schema": schema}
