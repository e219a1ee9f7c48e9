"""From a covered component to its value (RFC 9421 section 2).

A component identifier is a name with parameters. A name that begins with `@` is derived from the request
(section 2.2); any other is a header field, and its parameters say how the field's lines become one value:

    none   the lines, trimmed and joined with `, `                         section 2.1
    sf     parsed and serialised again as the structured field it is       section 2.1.1
    key    the one member of a Dictionary field                            section 2.1.2
    bs     each line as a byte sequence of its own                         section 2.1.3

`req`, `tr` and `@status` speak of responses and trailers, which a request does not have here. Whatever cannot be
derived is an error, never an empty value: a signature must not verify because nobody looked.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, unquote_plus

from http_sf.retrofit import retrofit

from . import fields
from .errors import MalformedSignature
from .message import Request, clean

FIELD_TYPES: Final[Mapping[str, str]] = {
    **retrofit,
    "accept-signature": "dictionary",
    "content-digest": "dictionary",
    "priority": "dictionary",
    "repr-digest": "dictionary",
    "signature": "dictionary",
    "signature-agent": "dictionary",
    "signature-input": "dictionary",
    "want-content-digest": "dictionary",
    "want-repr-digest": "dictionary",
}
"""The structured type of each field for which `sf` can be honoured (IANA field name registry)."""

_ONE_STRING: Final = re.compile(r'([a-z*][a-z0-9_.*-]*)=("[ !#-\[\]-~]*")')
"""A dictionary of one string without escapes, which is its own serialisation. Signature-Agent nearly always is."""

_REMEMBERED: Final = 256  # characters; strangers choose them, so longer fields may not fill the memory


class Component(NamedTuple):
    """One covered component: its name, its parameters, and the identifier as serialised."""

    name: str
    parameters: fields.Parameters
    identifier: str

    @property
    def label(self) -> str:
        """The identifier for people: without the quotes around a bare name, e.g. `@authority`."""
        return self.identifier.replace('"', "", 2)


def _query_parameter(request: Request, component: Component) -> str:
    """The one query parameter of that name, encoded anew (section 2.2.8)."""
    wanted = component.parameters.get("name")
    if not isinstance(wanted, str) or len(component.parameters) != 1:
        raise MalformedSignature("@query-param takes one parameter, name, a string")
    try:
        pairs = _query_pairs(request.target.query or "")
        decoded = unquote_plus(wanted, errors="strict")
    except ValueError as error:
        raise MalformedSignature("the query cannot be read as parameters") from error
    found = [value for name, value in pairs if name == decoded]
    if len(found) != 1 or _form_encode(decoded) != wanted:
        raise MalformedSignature("@query-param names a parameter that is not there exactly once")
    return _form_encode(found[0])


@lru_cache(maxsize=2)
def _query_pairs(query: str) -> list[tuple[str, str]]:
    """Read a query once, however many of its parameters are covered. Raises ValueError."""
    return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=256)


def _form_encode(text: str) -> str:
    """Percent-encode as application/x-www-form-urlencoded does, a space as %20 (section 2.2.8)."""
    return quote(text, safe="*").replace("~", "%7E")


DERIVED: Final[Mapping[str, Callable[[Request], str]]] = {
    "@authority": lambda request: request.target.authority,
    "@method": lambda request: request.method,
    "@target-uri": lambda request: request.target.uri,
    "@scheme": lambda request: request.target.scheme,
    "@request-target": lambda request: (
        request.target.path + ("" if request.target.query is None else f"?{request.target.query}")
    ),
    "@path": lambda request: request.target.path,
    "@query": lambda request: f"?{request.target.query or ''}",
}
"""Components that take no parameter (sections 2.2.1 to 2.2.7)."""


def value_of(request: Request, component: Component, types: Mapping[str, str] = FIELD_TYPES) -> str:
    """Derive the value that a covered component has in a request.

    Args:
        request: the request.
        component: the covered component.
        types: structured types by field name, for `sf`.

    Raises:
        MalformedSignature: the request has no such component, or a parameter is unknown or does not fit.
        MalformedRequest: the field has a line break.
    """
    name = component.name
    if not name.startswith("@"):
        return _field_value(request, component, types)
    if name == "@query-param":
        return _query_parameter(request, component)
    derive = DERIVED.get(name)
    if derive is None or component.parameters:
        raise MalformedSignature("a covered component is unknown or does not belong to a request")
    return derive(request)


def _field_value(request: Request, component: Component, types: Mapping[str, str]) -> str:
    lines = request.headers.get(component.name)
    if not lines:
        raise MalformedSignature("a covered header is not in the request")
    parameters = component.parameters
    if not parameters:
        return request.field(component.name) or ""
    if (
        len(parameters) == 1 and "key" in parameters
    ):  # nearly always: the signer's own member of Signature-Agent
        return _dictionary_member(request, component)
    if parameters.keys() == {"bs"} and parameters["bs"] is True:
        return request.once((component.name, "bs"), partial(_as_bytes, lines), work=len(lines))
    if "key" in parameters and _is_strict(parameters, {"key", "sf"}):
        return _dictionary_member(request, component)
    if _is_strict(parameters, {"sf"}):
        return _strict(request, component.name, types)
    raise MalformedSignature("a covered header has a parameter that is unknown or does not fit")


def _is_strict(parameters: fields.Parameters, allowed: set[str]) -> bool:
    return parameters.keys() <= allowed and parameters.get("sf", True) is True


def _as_bytes(lines: list[str]) -> str:
    try:
        return fields.serialise([clean(line).encode("utf-8", "surrogateescape") for line in lines])
    except UnicodeEncodeError as error:  # JSON can say "\ud800", for which no byte stands
        raise MalformedSignature("a covered header has a character that no header can carry") from error


def _dictionary_member(request: Request, component: Component) -> str:
    value, key = request.field(component.name) or "", component.parameters["key"]
    if not isinstance(key, str):  # a token is equal to a string to http-sf, and not to RFC 9421
        raise MalformedSignature("the key of a covered dictionary member must be a string")
    alone = _one_string(value) if len(value) <= _REMEMBERED else None
    if alone is not None and alone[0] == key:
        return alone[1]
    try:
        members = request.once((component.name, "key"), partial(_members, value), work=len(value))
        if key not in members:
            raise MalformedSignature("a covered dictionary member is not in the request")
        return request.once((component.name, "key", key), partial(fields.serialise_member, members[key]))
    except fields.FieldError as error:
        raise MalformedSignature("a covered header is not a dictionary") from error


@lru_cache(maxsize=1024)  # an agent says the same at every request
def _one_string(value: str) -> tuple[str, str] | None:
    alone = _ONE_STRING.fullmatch(value)
    return None if alone is None else (alone[1], alone[2])


def _members(value: str) -> Mapping[str, fields.Member]:
    members: Mapping[str, fields.Member] = fields.parse_field(value, "dictionary", unique=False)
    return members


def _strict(request: Request, name: str, types: Mapping[str, str]) -> str:
    kind = types.get(name)
    if kind is None:
        raise MalformedSignature("the structured type of a header covered with sf is not known here")
    value = request.field(name) or ""
    try:
        return request.once((name, "sf", kind), partial(_read_strictly, value, kind), work=len(value))
    except fields.FieldError as error:
        raise MalformedSignature("a header covered with sf is not a structured field") from error


def _read_strictly(value: str, kind: str) -> str:
    return fields.serialise(fields.parse_field(value, kind, unique=False))
