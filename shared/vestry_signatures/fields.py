"""Structured fields (RFC 9651), behind one door.

The parsing and the serialising are `http-sf`'s; this room adds what signatures need: text in and text out, one
exception, and refusal of a key that is given twice. RFC 9651 lets the last of two equal keys win, which is how one
party is made to see another value than the next; whoever reads a signature must see what everybody sees.
"""

from typing import Any, TypeAlias

from http_sf import StructuredFieldError, Token, parse, ser

BareItem: TypeAlias = Any
"""int, Decimal, str, bool, bytes, Token, DisplayString or datetime."""
Parameters: TypeAlias = dict[str, BareItem]
Item: TypeAlias = tuple[BareItem, Parameters]
InnerList: TypeAlias = tuple[list[Item], Parameters]
Member: TypeAlias = Item | InnerList

__all__ = [
    "BareItem",
    "FieldError",
    "InnerList",
    "Item",
    "Member",
    "Parameters",
    "Token",
    "is_inner_list",
    "parse_dictionary",
    "parse_field",
    "parse_item",
    "serialise",
    "serialise_member",
]


class FieldError(ValueError):
    """The text is not the structured field it should be. Says nothing of the text itself."""


def _refuse_duplicate(_key: str, _context: str) -> None:
    raise FieldError("a key is given twice")


def parse_field(value: str, kind: str, *, unique: bool = True) -> Any:
    """Parse one structured field.

    Args:
        value: the combined field value.
        kind: `dictionary`, `list` or `item`.
        unique: refuse a dictionary or parameter key given twice (RFC 9651 would let the last win).

    Raises:
        FieldError: the value does not parse as that kind (RFC 9651 section 4.2).
    """
    try:
        data = value.encode("ascii")
        return parse(data, tltype=kind, on_duplicate_key=_refuse_duplicate if unique else None)
    except (StructuredFieldError, UnicodeEncodeError) as error:
        raise FieldError(f"not a structured field of type {kind}") from error


def parse_dictionary(value: str) -> dict[str, Member]:
    """Parse a Dictionary whose keys are each given once. Raises FieldError (RFC 9651 section 4.2.2)."""
    members: dict[str, Member] = parse_field(value, "dictionary")
    return members


def parse_item(value: str) -> Item:
    """Parse an Item. Raises FieldError (RFC 9651 section 4.2.3)."""
    item: Item = parse_field(value, "item")
    return item


def is_inner_list(member: Member) -> bool:
    """Tell an Inner List from an Item."""
    return isinstance(member[0], list)


def serialise(structure: Any) -> str:
    """Serialise a dictionary, list or item (RFC 9651 section 4.1).

    Raises:
        FieldError: the value has no serialisation.
    """
    try:
        return ser(structure)
    except (StructuredFieldError, ValueError, TypeError) as error:
        raise FieldError("has no serialisation as a structured field") from error


def serialise_member(member: Member) -> str:
    """Serialise an item or inner list as it stands in a list; a lone true is `?1`. Raises FieldError."""
    return serialise([member])
