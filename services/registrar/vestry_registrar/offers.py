"""A key as somebody offers it: the JWK in the body of a request, read with suspicion, and when it may be used."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vestry_service.requests import parse_json_object
from vestry_signatures import PublicKey, public_key
from vestry_signatures.errors import InvalidJwk, MissingPublicJwk
from vestry_signatures.validity import Validity, read_validity


class Offer(NamedTuple):
    """A key and when it may be used."""

    key: PublicKey
    validity: Validity

    @property
    def members(self) -> dict[str, str]:
        """The members of the key that are stored: those that make it. Its kid and its times stand beside it."""
        return {name: value for name, value in self.key.jwk.items() if name != "kid"}


def read_offer(jwk: Any, now: int, read: Callable[[object], PublicKey] = public_key) -> Offer:
    """Read a JWK that came from outside.

    Args:
        jwk: the parsed JSON value.
        now: seconds since the epoch.
        read: how the key is read; another way for one that proves itself next.

    Raises:
        InvalidJwk, PrivateKeyExposed, WeakKey: it is no key that can be taken; or its time is over.
    """
    offer = Offer(read(jwk), read_validity(jwk))
    if offer.validity.is_over(now):
        raise InvalidJwk('the time of this key is over: "exp" is past')
    return offer


def facts_in(body: bytes) -> dict[str, Any]:
    """Read a JSON body; none at all says nothing. Raises MalformedRequest where it is no JSON object."""
    return parse_json_object(body) if body else {}


def jwk_in(facts: Mapping[str, Any]) -> Any:
    """Take `public_jwk` out of a body's facts. Raises MissingPublicJwk."""
    jwk = facts.get("public_jwk")
    if jwk is None:
        raise MissingPublicJwk
    return jwk
