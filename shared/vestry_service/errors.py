"""Every reason a service gives that is no verdict on a signature, one class each.

VestryError (vestry_signatures.errors, which draws the rest of the family)
└── ServiceError
    ├── KeyTaken, KeyRevoked, KeyInUse, LastKey, TooManyKeys    a key that another state of things forbids (409)
    ├── ProofRequired, BindingRequired           a valid signature that shows too little (401)
    ├── PendingAgent                             an agent that is not approved yet (403)
    ├── AgentNotAllowed                          a known agent that may not call this tool (403)
    ├── TokenRequired, RegistrationClosed        what the operator has to allow (401, 403)
    │   └── ToolUnauthorized                     a tool that is not known (401)
    ├── UntrustedProxy                           somebody who is no proxy of ours (403)
    ├── WrongState                               a state that does not allow a change (409)
    └── NotFound, MethodNotAllowed, BodyTooLarge, MisdirectedRequest, RateLimited, InternalError

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


class LastKey(ServiceError):
    reason = "LAST_KEY"
    status = 409
    text = "this is the agent's last usable key: add another one first, or revoke it"


class TooManyKeys(ServiceError):
    reason = "TOO_MANY_KEYS"
    status = 409

    def __init__(self, most: int) -> None:
        """Say that an agent may have `most` keys at once."""
        super().__init__(f"an agent may have {most} keys at once: take one out of use first")


class ProofRequired(ServiceError):
    reason = "PROOF_REQUIRED"
    status = 401
    text = "the new key must sign this request too, under a label of its own with the tag vestry-key-proof"


class BindingRequired(ServiceError):
    reason = "BINDING_REQUIRED"
    status = 401
    text = "the signature must cover @method, @path and, where there is a body, content-digest"


class PendingAgent(ServiceError):
    reason = "PENDING_AGENT"
    status = 403
    text = "the agent is registered and waits for the operator's approval"


class AgentNotAllowed(ServiceError):
    """Its signature holds; that is not enough here. It has no outcome: nobody may take this for `verified`."""

    reason = "AGENT_NOT_ALLOWED"
    status = 403
    text = "this agent may not call this tool: ask who runs it"


class TokenRequired(ServiceError):
    """There is no bearer token, or it is not one that counts here. Which of the two is not said."""

    reason = "TOKEN_REQUIRED"
    status = 401
    text = "send a token that is valid here"


class ToolUnauthorized(TokenRequired):
    """The tool that asks shows a token that is nobody's. What was shown is neither repeated nor logged."""

    reason = "TOOL_UNAUTHORIZED"
    status = 401
    text = "the token is no tool's here"


class RegistrationClosed(ServiceError):
    reason = "REGISTRATION_CLOSED"
    status = 403
    text = "nobody new is registered here: ask the operator"


class UntrustedProxy(ServiceError):
    """Somebody who is no proxy of ours tells of another's request."""

    reason = "UNTRUSTED_PROXY"
    status = 403
    text = "only a proxy may ask here: name its address in TRUSTED_PROXIES"


class WrongState(ServiceError):
    reason = "WRONG_STATE"
    status = 409
    text = "its state does not allow this"


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


class RateLimited(ServiceError):
    reason = "RATE_LIMITED"
    status = 429
    text = "too many requests of this kind"

    def __init__(self, message: str | None = None, wait: int = 1) -> None:
        """Refuse for `wait` seconds, at least 1."""
        super().__init__(f"{message or self.text}: try again in {wait} s")
        self.wait = wait


class InternalError(ServiceError):
    """An unforeseen fault. It says nothing: the log has the details under the request id."""

    reason: ClassVar[str] = "INTERNAL_ERROR"
    status = 500


class StartError(Exception):
    """A service cannot start. Its text is one message for the person who starts it, without any secret."""
