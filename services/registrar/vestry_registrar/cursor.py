"""Where a list of results goes on: an opaque word that says after which row, and of which question.

Keyset pagination: the next page begins below the number of the last row, and rows never change their number. So
whoever reads all pages sees everything that was there when he began exactly once, whatever is written meanwhile.

The word is base64url of the number and of a checksum over number and question. A word that was cut, changed or taken
along to another question is refused instead of quietly giving another list. It guards no secret: who may list at all
may begin at any row.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from vestry_signatures.errors import MalformedRequest

_NUMBER_BYTES: Final = 8
_CHECK_BYTES: Final = 10


def encode(number: int, question: Mapping[str, Any]) -> str:
    """Return the word for the page below a row's number."""
    head = number.to_bytes(_NUMBER_BYTES, "big")
    return base64.urlsafe_b64encode(head + _check(head, question)).decode()


def decode(word: str, question: Mapping[str, Any]) -> int:
    """Return the number that a word stands for. Raises MalformedRequest for a word that `encode` did not make."""
    try:
        whole = base64.b64decode(word.encode("ascii"), b"-_", validate=True)
    except ValueError:
        whole = b""
    head, check = whole[:_NUMBER_BYTES], whole[_NUMBER_BYTES:]
    if len(head) != _NUMBER_BYTES or check != _check(head, question):
        raise MalformedRequest("the cursor is not one that was given for this question")
    return int.from_bytes(head, "big")


def _check(head: bytes, question: Mapping[str, Any]) -> bytes:
    asked = repr(sorted(question.items())).encode("utf-8", "backslashreplace")
    return hashlib.sha256(head + asked).digest()[:_CHECK_BYTES]
