"""Every reason a service gives that is no verdict on a signature, one class each.

VestryError (vestry_signatures.errors, which draws the rest of the family)
└── ServiceError
    ├── KeyTaken, KeyRevoked, KeyInUse           a key that another state of things forbids (409)
    └── NotFound, MethodNotAllowed, BodyTooLarge, MisdirectedRequest, InternalError

StartError stands apart: it is for the person who starts a service, never for a caller.
"""

from typing import ClassVar

from vestry_signatures.errors import VestryError


class ServiceError(VestryError):
    """Base of the errors that concern the service and not a signature."""


class KeyTaken(ServiceError):
    reason = "KEY_TAKEN"
    status = 409
    text = "this key belongs to somebody else: make a new one"


class KeyRevoked(ServiceError):
    reason = "KEY_REVOKED"
    status = 409
    text = "this key was taken out of use for ever: make a new one"


class KeyInUse(ServiceError):
    reason = "KEY_IN_USE"
    status = 409
    text = "this key is already in use by this agent: rotate to a new one"


class NotFound(ServiceError):
    reason = "NOT_FOUND"
    status = 404
    text = "there is nothing here"


class MethodNotAllowed(ServiceError):
    reason = "METHOD_NOT_ALLOWED"
    status = 405
    text = "this method is not for this path; the Allow header names those that are"

    def __init__(self, allowed: frozenset[str] | set[str], message: str | None = None) -> None:
        super().__init__(message)
        self.allowed = allowed


class BodyTooLarge(ServiceError):
    reason = "BODY_TOO_LARGE"
    status = 413

    def __init__(self, limit: int) -> None:
        """Say that a body is longer than `limit` bytes."""
        super().__init__(f"the body is longer than {limit} bytes")


class MisdirectedRequest(ServiceError):
    reason = "MISDIRECTED_REQUEST"
    status = 421
    text = "this host is not served here: call the base URL of this registrar, or an agent URL under it"


class InternalError(ServiceError):
    """An unforeseen fault. It says nothing: the log has the details under the request id."""

    reason: ClassVar[str] = "INTERNAL_ERROR"
    status = 500


class StartError(Exception):
    """A service cannot start. Its text is one message for the person who starts it, without any secret."""
