"""The signature base: the very text that is signed (RFC 9421 section 2.5).

One line for each covered component, `"identifier": value`, in the order in which the signature names them, then the
line `"@signature-params"` with the covered components and the signature's parameters themselves. ASCII only, and no
value can hold a line break (`message.clean`), so the text has one reading.
"""

from collections.abc import Mapping, Sequence

from .components import FIELD_TYPES, Component, value_of
from .errors import MalformedSignature
from .message import Request


def signature_base(
    request: Request,
    covered: Sequence[Component],
    parameters: str,
    types: Mapping[str, str] = FIELD_TYPES,
) -> bytes:
    """Build a signature base.

    Args:
        request: the request that is signed.
        covered: the covered components, in order.
        parameters: the value of `@signature-params`: the serialised inner list with its parameters.
        types: structured types by field name, for components covered with `sf`.

    Raises:
        MalformedSignature: a component cannot be derived from the request, or its value is not ASCII.
        MalformedRequest: a covered field has a line break.
    """
    lines = [f"{component.identifier}: {value_of(request, component, types)}" for component in covered]
    lines.append(f'"@signature-params": {parameters}')
    try:
        return "\n".join(lines).encode("ascii")
    except UnicodeEncodeError as error:
        raise MalformedSignature("a covered header is not ASCII: cover it with bs") from error
