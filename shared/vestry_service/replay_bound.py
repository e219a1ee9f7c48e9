"""How many unexpired nonces one key may have, so that no agent fills the store for all others.

Whoever holds one valid key can sign as fast as it likes, and each signature leaves a nonce in Redis until nobody
would accept the signature any more. So beside the nonces the store keeps, for each key that is used much, a *book*:
when its nonces end, and how many of them. (The keys of a foreign host share one, `uses`.) It is one line of text in
the key `b{TT}kid`, with pairs of a time (Unix seconds) and a count:

    1795543200:512 1795543260:97

The script that spends a nonce reads it in the same trip (`replay_redis`):

1. What has ended is left out of the book; the rest is summed up. Where that reaches the bound, nothing is spent, and
   the answer is how many seconds there are until the first of them end.
2. A new nonce is entered under the end of its life, rounded up to a whole minute, or for a life of more than an hour
   to a half hour: so a book has at most some hundred pairs, and counts a nonce for a little too long.

A book for every key would cost as much memory as the nonces of a fleet whose agents call rarely. So where the bound
is large only a part of the nonces is entered, drawn at random by the process that spends, and counts for the others:
of a bound of 100,000 about each 97th. Who signs cannot know which. The sum is then an estimate, in 99 of 100
cases within 8 %; for a bound below 2,048 it is exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import random
from typing import Final, NamedTuple

SAMPLES: Final = 1024
"""How many entries a full book has at least; a bound of less than twice as many is exact."""
MOST_NONCES: Final = 10**9
HOUR: Final = 3600


class Bound(NamedTuple):
    """What one key may have.

    Attributes:
        most: unexpired nonces.
        book: in which they are counted: each name is a book of its own, "" the one that everybody shares.
    """

    most: int
    book: str = ""

    def draw(self, chance: Callable[[], float] = random) -> int:
        """Say for how many nonces the next one is entered; 0 where it is left out. `chance`: from 0 up to 1."""
        weight = max(1, self.most // SAMPLES)
        return weight if weight == 1 or chance() * weight < 1 else 0


@dataclass(slots=True)
class Book:
    """What a key has, without what has ended: how many nonces end at which time (Unix seconds)."""

    ends: dict[int, int]

    @classmethod
    def read(cls, line: bytes | None, now: float) -> "Book":
        """Read a line that `write` or the script wrote."""
        pairs = (pair.split(":") for pair in (line or b"").decode().split())
        return cls({int(end): int(count) for end, count in pairs if int(end) > now})  # (1)

    @property
    def sum(self) -> int:
        """How many nonces there are."""
        return sum(self.ends.values())

    def enter(self, weight: int, life: int, now: float) -> None:
        """Enter a nonce that lives for `life` seconds, for `weight` nonces (2)."""
        end = rounded_up(int(now) + life, life)
        self.ends[end] = self.ends.get(end, 0) + weight

    def write(self) -> bytes:
        """Return the line that is kept until the last end."""
        return " ".join(f"{end}:{count}" for end, count in self.ends.items()).encode()


def rounded_up(end: int, life: int) -> int:
    """Round the end of a nonce up (2)."""
    step = 60 if life <= HOUR else HOUR // 2
    return -(-end // step) * step
