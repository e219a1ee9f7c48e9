"""Work on many things that gives way: whoever else waits on the event loop has a turn every few of them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

TOGETHER: Final = 8
"""Things that are done in one turn: of signatures that are checked, about half a millisecond's work."""


def groups(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Divide many into groups of one turn each, in their order."""
    return (items[start : start + TOGETHER] for start in range(0, len(items), TOGETHER))


async def in_turns(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do something with each of many, in their order, and return what came of it."""
    done: list[R] = []
    for group in groups(items):
        done += map(work, group)
        await asyncio.sleep(0)
    return done
