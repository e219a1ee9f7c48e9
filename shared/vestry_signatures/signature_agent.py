"""The `Signature-Agent` field: which agent a signature says it is from.

Three forms are in the wild (draft-meunier-http-message-signatures-directory and its IETF successor):

    sig1="https://uid.host"                       a Dictionary; the key names the signature's label
    sig1=uid.host                                 the same as a token, from older clients
    "https://uid.host"                            a bare String, from older drafts

Which member belongs to a signature: (1) the covered member keyed to its label; (2) its only covered member; (3) in
the profile `vestauth` alone, the member keyed to its label. Never simply the first: anybody may have put it there.
A signature that covers the whole field, as Cloudflare's signer makes it, covers every member.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from . import fields
from .common_form import read_common_agent
from .components import Component
from .errors import InvalidSignatureAgent
from .signature import MAX_FIELD, MAX_LABELS

FIELD = "signature-agent"
_REMEMBERED: Final = 256  # characters; strangers choose them, so longer fields may not fill the memory


class AgentMember(NamedTuple):
    """One agent that the field names.

    Attributes:
        value: a URL, or for a token a host without a scheme.
        is_token: whether it was a token.
        parameters: e.g. `{"type": Token("jwks_uri")}`.
    """

    value: str
    is_token: bool
    parameters: fields.Parameters


class AgentField(NamedTuple):
    """The parsed field: members by key, or the one bare string of older drafts."""

    members: dict[str, AgentMember]
    bare: AgentMember | None


def read_agent_field(value: str) -> AgentField:
    """Read a combined `Signature-Agent` field.

    Raises:
        InvalidSignatureAgent: it has none of the known forms, a key is given twice, or it is longer than 8192
            characters or 16 members.
    """
    if len(value) > MAX_FIELD:
        raise InvalidSignatureAgent(f"Signature-Agent is longer than {MAX_FIELD} bytes")
    return _remembered(value) if len(value) <= _REMEMBERED else _read(value)


def _read(value: str) -> AgentField:
    common = read_common_agent(value)
    if common is not None:
        key, text = common
        return AgentField({key: AgentMember(text, is_token=False, parameters={})}, None)
    try:
        if value.lstrip(" ").startswith('"'):
            return AgentField({}, _member(fields.parse_item(value)))
        members = fields.parse_dictionary(value)
    except fields.FieldError as error:
        raise InvalidSignatureAgent(
            "Signature-Agent is neither a dictionary of strings nor a string"
        ) from error
    if len(members) > MAX_LABELS:
        raise InvalidSignatureAgent(f"Signature-Agent names more than {MAX_LABELS} agents")
    return AgentField({key: _member(member) for key, member in members.items()}, None)


_remembered = lru_cache(maxsize=1024)(_read)  # an agent says the same at every request


def _member(member: fields.Member) -> AgentMember:
    value, parameters = member
    if isinstance(value, fields.Token):
        return AgentMember(str(value), is_token=True, parameters=parameters)
    if isinstance(value, str):
        return AgentMember(value, is_token=False, parameters=parameters)
    raise InvalidSignatureAgent("a member of Signature-Agent is neither a string nor a token")


def covered_member(field: AgentField, label: str, covered: tuple[Component, ...]) -> AgentMember | None:
    """Find the member that a signature itself covers (rules 1 and 2), or None.

    Raises:
        InvalidSignatureAgent: it covers several members, none of them keyed to its label.
    """
    parts = [part for part in covered if part.name == FIELD]
    if not parts:
        return None
    if len(parts) == 1 and parts[0].parameters.get("key") == label:
        return (
            None if field.bare is not None else field.members.get(label)
        )  # (1), as nearly every signer has it
    whole = any(not part.parameters for part in parts)
    if field.bare is not None:
        return field.bare if whole else None
    keys = [part.parameters["key"] for part in parts if "key" in part.parameters]
    if whole and not keys:
        keys = list(field.members)  # who covers the whole field covers every member of it
    if label in keys:
        return field.members.get(label)
    if len(keys) > 1:
        raise InvalidSignatureAgent("the signature covers several agents, none under its own label")
    return field.members.get(keys[0]) if keys else None
