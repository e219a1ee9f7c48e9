"""Small words for sentences."""

from collections.abc import Iterable
from typing import Final

LONGEST: Final = 256
"""Characters of a value that are shown."""


def listed(names: Iterable[str]) -> str:
    """Put names into a row."""
    return ", ".join(names)


def count_of(number: int, noun: str) -> str:
    """Say how many there are of something."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shortened(text: str, most: int = LONGEST) -> str:
    """Cut a long value off, and say so."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def ago(seconds: int) -> str:
    """Say when something was, or will be."""
    return f"{seconds} s ago" if seconds >= 0 else f"in {-seconds} s"
