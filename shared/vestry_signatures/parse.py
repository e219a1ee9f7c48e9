"""From the headers of a request to its signatures (RFC 9421 section 4).

The fields are parsed whole first: a label that stands in one of them only, a key given twice or a member of the wrong
kind spoils the request, because two readers might then see two different signatures. After that each signature is
read by itself. Those with a tag that is not asked for are somebody else's and are left alone.
"""

from collections.abc import Container
from typing import Final

from . import fields
from .common_form import read_common_signature
from .errors import MalformedSignature, MissingSignature, MissingSignatureInput, WrongTag
from .message import Request
from .signature import MAX_FIELD, MAX_LABELS, Signature, read_signature

MAX_CANDIDATES: Final = 4


def parse(request: Request, tags: Container[str]) -> list[Signature | MalformedSignature]:
    """Read the signatures of a request that carry one of the given tags.

    Args:
        request: the request.
        tags: the tags that are looked for, e.g. `{"web-bot-auth"}`.

    Returns:
        At least one entry, in field order: a signature, or why that one cannot be read.

    Raises:
        MissingSignatureInput, MissingSignature: the request is not signed.
        MalformedSignature: the fields cannot be read, or hold more than four candidates.
        WrongTag: no signature has such a tag.
    """
    signature_input = _field(request, "signature-input")
    signature = _field(request, "signature")
    if not signature_input:
        raise MissingSignatureInput
    if not signature:
        raise MissingSignature
    common = read_common_signature(signature_input, signature)
    if common is not None:
        if common.tag not in tags:
            raise WrongTag
        return [common]
    return parse_in_full(signature_input, signature, tags)


def _field(request: Request, name: str) -> str | None:
    value = request.field(name)
    if value is not None and len(value) > MAX_FIELD:
        raise MalformedSignature(f"a signature header is longer than {MAX_FIELD} bytes")
    return value


def parse_in_full(
    signature_input: str, signature: str, tags: Container[str]
) -> list[Signature | MalformedSignature]:
    """Read both combined fields with the full parser. Arguments, returns and raises as `parse`."""
    inputs, values = _dictionary(signature_input), _dictionary(signature)
    if inputs.keys() != values.keys():
        raise MalformedSignature("Signature-Input and Signature do not have the same labels")
    for label, member in inputs.items():
        if not fields.is_inner_list(member) or not isinstance(values[label][0], bytes):
            raise MalformedSignature("a label has no list of components or no bytes")
    candidates = [label for label, member in inputs.items() if _tag(member) in tags]
    if not candidates:
        raise WrongTag
    if len(candidates) > MAX_CANDIDATES:
        raise MalformedSignature(f"more than {MAX_CANDIDATES} signatures could be meant")
    return [_read(label, inputs[label], values[label][0]) for label in candidates]


def _dictionary(value: str) -> dict[str, fields.Member]:
    try:
        members = fields.parse_dictionary(value)
    except fields.FieldError as error:
        raise MalformedSignature from error
    if len(members) > MAX_LABELS:
        raise MalformedSignature(f"a signature header has more than {MAX_LABELS} labels")
    return members


def _tag(member: fields.Member) -> str:
    tag = member[1].get("tag")
    return tag if isinstance(tag, str) else ""


def _read(label: str, member: fields.Member, value: fields.BareItem) -> Signature | MalformedSignature:
    try:
        return read_signature(label, member, value)
    except MalformedSignature as error:
        return error
