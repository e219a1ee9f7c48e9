"""From the JSON that a tool sends to a question: what it received (wire contract, section 5)."""

import base64
import binascii
from typing import Any

from vestry_service.verification import Question
from vestry_signatures import Request
from vestry_signatures.errors import MalformedRequest, MissingHttpMethod, MissingUri, VestryError


def question_or_error(asked: object) -> Question | VestryError:
    """Read one question of many: what is wrong with it is an answer like any other."""
    if not isinstance(asked, dict):
        return MalformedRequest("a question must be a JSON object")
    try:
        return read_question(asked)
    except VestryError as error:
        return error


def read_question(body: dict[str, Any]) -> Question:
    """Read the JSON that a tool sends.

    Args:
        body: the parsed object; members that are not known are left alone.

    Raises:
        MissingHttpMethod, MissingUri: `method` or `url` is missing or empty.
        InvalidUri: the url is not an absolute http or https URL.
        MalformedRequest: a member is of the wrong type, two header names are equal but for case, or the method is
            CONNECT.
    """
    method, url = body.get("method"), body.get("url")
    if method is None:
        raise MissingHttpMethod
    if url is None:
        raise MissingUri
    if not isinstance(method, str) or not isinstance(url, str):
        raise MalformedRequest('"method" and "url" must be strings')
    refuse_tunnel(method)
    asserted = body.get("content_digest_verified", False)
    if not isinstance(asserted, bool):
        raise MalformedRequest('"content_digest_verified" must be true or false')
    return Question(Request(method, url, _headers(body.get("headers"))), _body(body.get("body")), asserted)


def refuse_tunnel(method: str) -> None:
    """Raise MalformedRequest where the method is CONNECT.

    Its target is a host and no path: put behind the tool's own host it is a part of another one.
    """
    if method.upper() == "CONNECT":
        raise MalformedRequest("CONNECT asks for a tunnel and not for anything that a tool could answer")


def _headers(given: object) -> dict[str, list[str]]:
    if not isinstance(given, dict):
        raise MalformedRequest('"headers" must be an object of header names and values')
    headers: dict[str, list[str]] = {}
    for name, value in given.items():
        if type(value) is str:
            lines = [value]
        elif isinstance(value, list) and all(type(line) is str for line in value):
            lines = value
        else:
            raise MalformedRequest("a header value must be a string or a list of strings")
        headers[name.lower()] = lines
        if not name.isascii():  # some letters outside ASCII become ASCII in lower case
            raise MalformedRequest("a header name is not one that HTTP allows")
    if len(headers) != len(given):
        # One of the two would be believed here and the other one by the tool.
        raise MalformedRequest("two header names are equal but for case: send the values as a list")
    return headers


def _body(given: object) -> bytes | None:
    if given is None:
        return None
    try:
        if isinstance(given, str):
            return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise MalformedRequest('"body" must be the received body in base64')
