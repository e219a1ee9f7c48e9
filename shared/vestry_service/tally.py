"""What is counted within a moment, added together.

A request is counted a dozen times, and the library that keeps the counts checks and locks each time: that is a tenth
of the work. Nearly all requests count the same things. So counts are collected here for a moment, and then each
counter and each bucket of a histogram is told once.

Whoever shows the counts settles first, so nothing is ever seen late. Where other processes show them the moment is
one turn of the event loop, for they are to have them also of a process that is killed. Without an event loop there
is nothing to wait for, and everything is told at once.
"""

import asyncio
from bisect import bisect_left
from collections import Counter as Counting
from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

MOMENT: Final = 0.02  # seconds


class Happening:
    """Something that happens often and takes a time: which counters count it, and which histogram its time."""

    __slots__ = ("counters", "times")

    def __init__(self, times: Histogram, *counters: Counter) -> None:
        """Take metrics whose labels are chosen."""
        self.times = times
        self.counters = counters


class Tally:
    """The counts of the metrics of one service that are not told yet."""

    def __init__(self, moment: float = 0.0) -> None:
        """Take how many seconds may pass until they are told; 0 for the rest of the turn."""
        self._moment = moment
        self._counts: dict[Counter | Gauge, float] = {}
        self._happened: dict[Happening, list[float]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, metric: Counter | Gauge, amount: float = 1.0) -> None:
        """Add to a metric whose labels are chosen."""
        self._counts[metric] = self._counts.get(metric, 0.0) + amount
        if self._loop is None or not self._loop.is_running():
            self._await_the_end()

    def happened(self, what: Happening, seconds: float) -> None:
        """Count a happening that took so long."""
        times = self._happened.get(what)
        if times is None:
            self._happened[what] = [seconds]
        else:
            times.append(seconds)
        if self._loop is None or not self._loop.is_running():
            self._await_the_end()

    def settle(self) -> None:
        """Tell the metrics what they do not know yet."""
        counts, self._counts = self._counts, {}
        happened, self._happened = self._happened, {}
        self._loop = None
        for metric, amount in counts.items():
            metric.inc(amount)
        for what, seconds in happened.items():
            for counter in what.counters:
                counter.inc(len(seconds))
            _observe_all(what.times, seconds)

    def _await_the_end(self) -> None:
        """Settle in a moment. Not asked while that is known to come: which loop runs, a system call tells."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self.settle()
            return
        if self._moment:
            self._loop.call_later(self._moment, self.settle)
        else:
            self._loop.call_soon(self.settle)


def _observe_all(histogram: Histogram, seconds: Sequence[float]) -> None:
    """Do what `observe` does for each; only that each bucket is told once."""
    buckets, bounds = histogram._buckets, histogram._upper_bounds  # noqa: SLF001  # there is no public way to them
    histogram._sum.inc(sum(seconds))  # noqa: SLF001
    for place, number in Counting(bisect_left(bounds, each) for each in seconds).items():
        buckets[place].inc(number)
