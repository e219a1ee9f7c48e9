"""How a document tells of refusals: by status, with the reasons there can be, in both forms an error has.

Everything is read from the classes of the errors. What a refusal carries in its head is what `problems.py` writes.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from http import HTTPStatus
from typing import Final

from vestry_service.errors import InternalError, MethodNotAllowed, NotFound, RateLimited, TokenRequired
from vestry_service.openapi_parts import Json, header, one_of, schema_of, strict, text
from vestry_service.problems import PROBLEM_JSON
from vestry_signatures.errors import VestryError

Refusal = type[VestryError]
ERROR: Final = "Error."
PROBLEM: Final = "Problem."


def anywhere() -> dict[str, Json]:
    """Describe how every path may end whatever it is; no operation is the place to say so."""
    return {error.__name__: refusals([error])[str(error.status)] for error in (NotFound, MethodNotAllowed)}


def _its_own(error: Refusal) -> int:
    return error.status


def refusals(refused: Collection[Refusal], status_of: Callable[[Refusal], int] = _its_own) -> dict[str, Json]:
    """Describe the answers that these errors become, by status. An unforeseen fault is always among them.

    `status_of`: the status that tells of an error, where that is not always the error's own.
    """
    by_status: dict[int, dict[str, Refusal]] = defaultdict(dict)
    by_status[InternalError.status][InternalError.reason] = InternalError
    for error in {*refused}:
        by_status[status_of(error)][error.reason] = error
    return {
        str(status): _refusal(status, [reasons[reason] for reason in sorted(reasons)])
        for status, reasons in by_status.items()
    }


def error_schemas() -> dict[str, Json]:
    """Describe every error in both of its forms, by name."""
    return {
        form + error.reason: describe(error, error.status)
        for error in _family(VestryError)
        if error.reason != VestryError.reason or error is InternalError
        for form, describe in FORMS.items()
    }


def _family(cls: Refusal) -> Iterator[Refusal]:
    """Walk through a class of errors and everything below it, the more special later."""
    yield cls
    for child in cls.__subclasses__():
        yield from _family(child)


def error_of(refused: Collection[Refusal]) -> Json:
    """Describe the object by which one of several answers tells of one of these errors."""
    return strict({"error": _any_of(ERROR, sorted(refused, key=lambda error: error.reason))})


def _refusal(status: int, errors: list[Refusal]) -> Json:
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(error.reason for error in errors)}",
        "headers": _headers(status, errors),
        "content": {
            "application/json": {"schema": strict({"error": _any_of(ERROR, errors, status)})},
            PROBLEM_JSON: {"schema": _any_of(PROBLEM, errors, status)},
        },
    }


def _any_of(form: str, errors: list[Refusal], status: int | None = None) -> Json:
    found = [
        schema_of(form + error.reason) if status in {None, error.status} else FORMS[form](error, status)
        for error in errors
    ]
    return found[0] if len(found) == 1 else {"oneOf": found}


def _headers(status: int, errors: list[Refusal]) -> dict[str, Json]:
    headers = _challenge(errors) if status == HTTPStatus.UNAUTHORIZED else {}
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = header("The methods there are.", "^[A-Z]+(, [A-Z]+)*$", required=True)
    waits = [issubclass(error, RateLimited) or error.retry_after is not None for error in errors]
    if any(waits):
        headers["Retry-After"] = header("Seconds to wait.", "^[1-9][0-9]*$", required=all(waits))
    return headers


def _challenge(errors: list[Refusal]) -> dict[str, Json]:
    bearer = any(issubclass(error, TokenRequired) for error in errors)
    signature = not all(issubclass(error, TokenRequired) for error in errors)
    words = [word for word, wanted in (("Bearer", bearer), ("Signature", signature)) if wanted]
    headers = {"WWW-Authenticate": {"required": True, "schema": one_of(*words)}}
    if signature:
        told = "What a signature must cover and state (RFC 9421 section 5.1)."
        headers["Accept-Signature"] = header(told, "^sig1=", required=not bearer)
    return headers


def _vestauth(error: Refusal, told: int) -> Json:
    status: Json = {"const": told}
    members = {
        "status": status,
        "code": status,
        "message": text(rf"^\[{error.reason}\] "),
        "reason": {"const": error.reason},
    }
    return _with_the_rest(error, members)


def _problem(error: Refusal, told: int) -> Json:
    members: dict[str, Json] = {
        "type": {"const": "about:blank"},
        "title": {"const": HTTPStatus(told).phrase},
        "status": {"const": told},
        "detail": {"type": "string"},
        "reason": {"const": error.reason},
    }
    return _with_the_rest(error, members)


def _with_the_rest(error: Refusal, members: dict[str, Json]) -> Json:
    if error.outcome is not None:
        members["outcome"] = {"const": error.outcome}
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        members["request_id"] = {"type": "string"}
    return {**strict(members, optional=["request_id"]), "description": error.text}


FORMS: Final[dict[str, Callable[[Refusal, int], Json]]] = {ERROR: _vestauth, PROBLEM: _problem}
"""How an error is described in each form, told in a status."""
