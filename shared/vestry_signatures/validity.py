"""From when and until when a key may be used: the members `nbf` and `exp` of its JWK.

Source: draft-meunier-http-message-signatures-directory, which takes both over from RFC 7519 sections 4.1.4 and 4.1.5:
a key may be used from `nbf` on, and before `exp`. Here they are whole seconds since the epoch. A number that would be
in the far future as seconds is milliseconds, and refused.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from .errors import InvalidJwk

LATEST: Final = 253_402_300_799
"""The last second of the year 9999."""


class Validity(NamedTuple):
    """When a key may be used.

    Attributes:
        not_before: its first second, Unix time; None where there is no bound.
        not_after: the second from which on it may not be used any more, Unix time; None where there is no bound.
    """

    not_before: int | None = None
    not_after: int | None = None

    def is_over(self, now: int) -> bool:
        """Tell whether the key's time has ended."""
        return self.not_after is not None and now >= self.not_after

    def is_to_come(self, now: int) -> bool:
        """Tell whether the key's time has not begun."""
        return self.not_before is not None and now < self.not_before

    def members(self) -> dict[str, int]:
        """Return `nbf` and `exp` as a JWK carries them; what has no bound is left out."""
        named = {"nbf": self.not_before, "exp": self.not_after}
        return {name: value for name, value in named.items() if value is not None}


ALWAYS: Final = Validity()


def read_validity(jwk: Mapping[str, Any]) -> Validity:
    """Read `nbf` and `exp` of a JWK that came from outside.

    Raises:
        InvalidJwk: one of them is not a whole number of seconds, or `exp` is not later than `nbf`.
    """
    validity = Validity(_second(jwk, "nbf"), _second(jwk, "exp"))
    if validity.not_before is not None and validity.is_over(validity.not_before):
        raise InvalidJwk('"exp" must be later than "nbf"')
    return validity


def _second(jwk: Mapping[str, Any], name: str) -> int | None:
    value = jwk.get(name)
    if name not in jwk:
        return None
    if type(value) is not int or not 0 < value <= LATEST:  # a boolean is an int to isinstance
        raise InvalidJwk(f'"{name}" must be a whole number of seconds since 1970')
    return value
