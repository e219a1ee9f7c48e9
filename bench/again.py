"""A measurement that somebody disturbed is made again.

A server that answers 503 because the machine stood still for a moment would else end a run of many minutes. What was
made again is told, and counted in the table's caption.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from bench.load import LoadError
from bench.peers import say

T = TypeVar("T")
TRIES: Final = 3
repeated: list[str] = []
"""What each measurement that was made again had met."""


def undisturbed(measure: Callable[[], T]) -> T:
    """Measure; where an answer was not 200, measure again. Raises LoadError when that does not help."""
    for _ in range(TRIES - 1):
        try:
            return measure()
        except LoadError as error:
            said = str(error)
            say(f"made again: {said}")
            repeated.append(said)
    return measure()
