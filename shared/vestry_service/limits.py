"""How often somebody may ask: rates, buckets, and what a bucket says.

A limit of 30 in 60 seconds is a bucket: the generic cell rate algorithm (GCRA, ITU-T I.371), read as a leaky bucket.
Each request pours in one *drop*, 60/30 = 2 s worth of draining; the bucket is 30 drops deep and drains all the time.
So 30 requests may come at once, then one every 2 s, and there is no edge of a window at which twice as many fit.

One number is kept a bucket: the moment at which it will be empty, in whole microseconds. To pour a drop in:

1. `now` is the time of the server that keeps the bucket. The clocks of those who ask may be wrong, and differ.
2. The level is that moment minus now, at least 0. It can be above the depth only where the server's clock was set
   back or the rate was changed: then the bucket counts as full, and goes on from there.
3. Where one more drop would overflow it, the request is refused and pours nothing: whoever keeps on asking is
   let in as soon as there is room.
4. Otherwise the level rises by one drop, and the bucket is kept for exactly as long as it takes to drain. An empty
   bucket is no bucket, so a flood of addresses occupies memory for seconds, not for ever.

To *look* is the same without pouring. Several buckets are asked in one trip, each for itself.

A bucket's name is `l{SUBJECT}LIMIT`, for example `l{192.0.2.7}register`. The braces make it a hash tag, so that all
buckets of one subject share a slot of a Redis Cluster, while the subjects spread over all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Network, ip_address
from typing import NamedTuple, Protocol

MICROSECONDS = 1_000_000
MOST_REQUESTS = 1_000_000
LONGEST = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds, all of which may come at once.

    Attributes:
        count: from 1 to `MOST_REQUESTS`.
        seconds: from 1 to `LONGEST`.
    """

    count: int
    seconds: int

    @property
    def drop(self) -> int:
        """Microseconds that it takes to drain what one request pours in; rounded up, so never more than promised."""
        return -(-self.seconds * MICROSECONDS // self.count)

    @property
    def depth(self) -> int:
        """Microseconds that it takes to drain a full bucket."""
        return self.drop * self.count

    def __str__(self) -> str:
        return f"{self.count}/{self.seconds}"


class Check(NamedTuple):
    """One bucket to ask.

    Attributes:
        limit: what is limited, a word in lower case.
        subject: whose bucket it is: an address, a uid, a kid.
        rate: how much fits.
        pours: whether a drop is poured in, or the bucket only looked at.
    """

    limit: str
    subject: str
    rate: Rate
    pours: bool = True

    @property
    def key(self) -> bytes:
        """Name of the bucket in the store."""
        return f"l{{{self.subject}}}{self.limit}".encode()


class Verdict(NamedTuple):
    """What a bucket says.

    Attributes:
        allowed: there was room.
        remaining: how many requests fit now.
        wait: seconds until one more fits than now, rounded up; 0 where the bucket is empty.
    """

    allowed: bool
    remaining: int
    wait: int


class Limiter(Protocol):
    """Keeps the buckets."""

    async def ask(self, checks: Sequence[Check]) -> list[Verdict]:
        """Ask buckets in one trip; verdicts come in the order of the checks.

        Raises:
            ValueError: there is no check: nothing asked must not read as nothing wrong.
            ReplayStoreUnavailable: no answer within 250 ms. Whether anything was poured is unknown.
        """
        ...

    async def aclose(self) -> None:
        """Let what is in flight finish, then hang up."""
        ...


def judge(rate: Rate, answer: int) -> Verdict:
    """Make a verdict of what a bucket answers.

    `answer` is its level in microseconds, or where there was no room minus the microseconds until there is.
    """
    if answer < 0:
        return Verdict(False, 0, _seconds(-answer))
    room = rate.depth - answer
    wait = rate.drop - room % rate.drop if answer else 0
    return Verdict(True, room // rate.drop, _seconds(wait))


def _seconds(microseconds: int) -> int:
    return -(-microseconds // MICROSECONDS)


@lru_cache(maxsize=4096)
def counted_as(address: str) -> str:
    """Return as whom an address counts: an IPv6 address as its /64, which is what one subscriber gets.

    An IPv4 address in IPv6 clothes (`::ffff:192.0.2.7`) counts as IPv4. What is no address (a connection that is gone
    by now) counts as one client, `unknown`.
    """
    try:
        known = ip_address(address)
    except ValueError:
        return "unknown"
    if known.version == 4:
        return str(known)
    if known.ipv4_mapped:
        return str(known.ipv4_mapped)
    return str(IPv6Network((int(known), 64), strict=False))
