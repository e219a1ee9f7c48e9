"""Work on many things that gives way: whoever else waits on the event loop has a turn every few of them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

TOGETHER: Final = 8
"""Signatures that are checked in one turn: about half a millisecond's work."""
LIGHT: Final = 128
"""Things that are done in one turn where each takes a few microseconds: as long. A turn itself takes as many."""


def groups(items: Sequence[T], size: int = TOGETHER) -> Iterator[Sequence[T]]:
    """Divide many into groups of one turn each, in their order."""
    return (items[start : start + size] for start in range(0, len(items), size))


async def in_turns(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do something light with each of many, in their order, and return what came of it."""
    done: list[R] = []
    for group in groups(items, LIGHT):
        done += map(work, group)
        await asyncio.sleep(0)
    return done
