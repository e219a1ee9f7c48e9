"""One labelled signature as received: what `Signature-Input` says of it, and the bytes in `Signature`.

RFC 9421 sections 4.1 and 4.2: both fields are Dictionaries with the same labels; a member of the first is the list of
covered components with the signature's parameters, the member of the second its value. Nothing is judged here but the
form. The serialised inner list is kept as text, for it is the last line of the signature base.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple, TypeVar

from . import fields
from .components import Component
from .errors import MalformedSignature

MAX_FIELD: Final = 8192  # characters of one of the three headers
MAX_LABELS: Final = 16
MAX_COMPONENTS: Final = 64
MAX_KEYID: Final = 256
MAX_NONCE: Final = 512

T = TypeVar("T")


class Signature(NamedTuple):
    """A signature before anything about it is believed.

    Attributes:
        label: its key in both fields, e.g. `sig1`.
        covered: the covered components, in order.
        parameters: the serialised inner list with its parameters: the value of `@signature-params`.
        created, expires: seconds since the epoch, or None.
        keyid, alg, nonce, tag: as stated, or None.
        value: the signature's bytes.
    """

    label: str
    covered: tuple[Component, ...]
    parameters: str
    created: int | None
    expires: int | None
    keyid: str | None
    alg: str | None
    nonce: str | None
    tag: str | None
    value: bytes


def read_signature(label: str, member: fields.Member, value: bytes) -> Signature:
    """Read one label's members of both fields.

    Args:
        label: the label.
        member: the parsed member of `Signature-Input`.
        value: the bytes of the member of `Signature`.

    Raises:
        MalformedSignature: a component or parameter is not of the form that RFC 9421 section 2.3 gives it.
    """
    items, parameters = member
    stated = _Stated(parameters)
    return Signature(
        label=label,
        covered=read_components(items),
        parameters=fields.serialise_member(member),
        created=stated.get("created", int),
        expires=stated.get("expires", int),
        keyid=stated.text("keyid", MAX_KEYID),
        alg=stated.get("alg", str),
        nonce=stated.text("nonce", MAX_NONCE),
        tag=stated.get("tag", str),
        value=value,
    )


class _Stated:
    """The parameters of a signature, by the type each must have."""

    def __init__(self, parameters: fields.Parameters) -> None:
        self._parameters = parameters

    def get(self, name: str, kind: type[T]) -> T | None:
        value: Any = self._parameters.get(name)
        if value is None:
            return None
        if type(value) is not kind:  # a boolean is an int to isinstance
            raise MalformedSignature(f"the signature parameter {name} is not of the type it must have")
        return value

    def text(self, name: str, limit: int) -> str | None:
        value = self.get(name, str)
        if value is not None and len(value) > limit:
            raise MalformedSignature(f"the signature parameter {name} is longer than {limit} characters")
        return value


def read_components(items: Iterable[fields.Item]) -> tuple[Component, ...]:
    """Read the covered components of an inner list (RFC 9421 section 2).

    Raises:
        MalformedSignature: one is no string, not lowercase, given twice (whatever the order of its parameters),
            or is `@signature-params` itself; or there are more than 64.
    """
    covered = tuple(Component(name, parameters, _identifier(name, parameters)) for name, parameters in items)
    if len(covered) > MAX_COMPONENTS:
        raise MalformedSignature(f"a signature covers more than {MAX_COMPONENTS} components")
    if len({(part.name, frozenset(part.parameters.items())) for part in covered}) != len(covered):
        raise MalformedSignature("a component is covered twice")
    return covered


def _identifier(name: fields.BareItem, parameters: fields.Parameters) -> str:
    if not isinstance(name, str) or not name or name != name.lower() or name == "@signature-params":
        raise MalformedSignature("a covered component is not named as RFC 9421 asks")
    return fields.serialise((name, parameters))
